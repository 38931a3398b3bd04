import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeModel, loadModel } from "../../src/onnx/index.ts";
import {
  codecs,
  type AttributeProto,
  type Int64,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from "../../src/onnx/proto/schema.ts";
import { catchUserError } from "../support/catch-error.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "efqat-bad-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const int64 = (value: number): Int64 => ({
  low: value | 0,
  high: Math.floor(value / 2 ** 32),
  unsigned: false,
});
const encode = (model: ModelProto): Uint8Array => new Uint8Array(codecs.ModelProto.encode(model).finish());
const withTensor = (tensor: TensorProto): Uint8Array =>
  encode({ graph: { initializer: [{ name: "w", ...tensor }] } });
const withNode = (node: NodeProto): Uint8Array =>
  encode({ graph: { node: [{ opType: "Op", name: "n", ...node }] } });
const withAttribute = (attribute: AttributeProto): Uint8Array =>
  withNode({ attribute: [{ name: "a", ...attribute }] });

/** Bytes of a length-delimited field. */
function field(number: number, content: Uint8Array): Uint8Array {
  const length: number[] = [];
  let rest = content.byteLength;
  for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Uint8Array.of((number << 3) | 2, ...length, rest), content]);
}

describe("files that are not ONNX", () => {
  const contents: [name: string, content: string | Uint8Array, code: string, text: string][] = [
    ["empty", "", "model/empty", "The file is empty"],
    ["text", "hello, I am a text file\n", "model/not-onnx", "not an ONNX model"],
    ["zip", "PK\x03\x04rest of an archive", "model/not-onnx", "zip archive"],
    ["python", "import torch\n", "model/not-onnx", "a Python program"],
    ["ort", "\x20\x00\x00\x00ORTM rest", "model/not-onnx", ".ort format"],
    ["html", "<!DOCTYPE html><html></html>", "model/not-onnx", "HTML page"],
    [
      "lfs",
      "version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
      "model/not-onnx",
      "Git LFS pointer",
    ],
    [
      "a tensor file",
      codecs.TensorProto.encode({ dims: [int64(2)], dataType: 1 }).finish(),
      "model/not-onnx",
      "holds no graph",
    ],
    ["a model without a graph", encode({ producerName: "x" }), "model/not-onnx", "holds no graph"],
  ];
  test.each(contents)("%s", async (name, content, code, text) => {
    const file = path.join(folder, name);
    await writeFile(file, content, "latin1");
    const error = await catchUserError(() => loadModel(file));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
    expect(error.where).toContain(name);
    expect(error.hint).toBeTruthy();
    expect(error.toParagraph()).not.toContain("\n");
  });

  test("a file that is not there, and a folder", async () => {
    const missing = await catchUserError(() => loadModel(path.join(folder, "no", "such.onnx")));
    expect(missing.code).toBe("model/unreadable");
    expect(missing.message).toContain("does not exist");
    await mkdir(path.join(folder, "a-folder"));
    const notFile = await catchUserError(() => loadModel(path.join(folder, "a-folder")));
    expect(notFile.message).toContain("not a file");
  });

  test("a file above protobuf's limit is refused before it is read", async () => {
    const file = path.join(folder, "large.onnx");
    const handle = await open(file, "w");
    await handle.truncate(2 ** 31);
    await handle.close();
    expect((await catchUserError(() => loadModel(file))).code).toBe("model/too-large");
  });
});

describe("truncated files", () => {
  test("every prefix of a model is refused, or is the model without its last fields", async () => {
    const raw = new Uint8Array(64).fill(1);
    const whole = encode({
      irVersion: int64(8),
      graph: {
        node: [{ opType: "Relu", input: ["x"], output: ["y"] }],
        initializer: [{ name: "w", dims: [int64(16)], dataType: 1, rawData: raw }],
      },
      opsetImport: [{ version: int64(17) }],
    });
    let refused = 0;
    for (let length = 0; length < whole.byteLength; length++) {
      try {
        const { graph } = decodeModel(whole.subarray(0, length));
        expect(graph.initializers.get("w")?.bytes).toEqual(raw);
      } catch (error) {
        await catchUserError(() => {
          throw error;
        });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(whole.byteLength - 8);
  });
});

describe("damaged structure", () => {
  const cases: [name: string, bytes: Uint8Array, code: string, place: string, text: string][] = [
    [
      "a string where a message belongs",
      encode({ graph: { $unknowns: [Uint8Array.of(1 << 3, 5)] } }),
      "wire-type",
      "",
      "Field 1 of GraphProto",
    ],
    [
      "an unknown element type",
      withTensor({ dataType: 99, dims: [] }),
      "element-type",
      'initializer "w"',
      "99",
    ],
    ["no element type", withTensor({ dims: [int64(1)] }), "element-type", 'initializer "w"', "0"],
    ["a negative dimension", withTensor({ dataType: 1, dims: [int64(-3)] }), "dims", 'initializer "w"', "-3"],
    [
      "dimensions whose product overflows",
      withTensor({ dataType: 1, dims: [int64(2 ** 40), int64(2 ** 40)] }),
      "dims",
      'initializer "w"',
      "more elements",
    ],
    [
      "dimensions that the bytes do not back",
      withTensor({ dataType: 1, dims: [int64(2 ** 34)], rawData: new Uint8Array(8) }),
      "tensor-size",
      'initializer "w"',
      "8 bytes",
    ],
    [
      "dimensions without any data",
      withTensor({ dataType: 1, dims: [int64(2 ** 34)] }),
      "tensor-size",
      'initializer "w"',
      "0 values",
    ],
    [
      "too few typed values",
      withTensor({ dataType: 7, dims: [int64(3)], int64Data: [int64(1)] }),
      "tensor-size",
      'initializer "w"',
      "1 values",
    ],
    [
      "strings of another number",
      withTensor({ dataType: 8, dims: [int64(2)], stringData: [new Uint8Array(1)] }),
      "tensor-size",
      'initializer "w"',
      "1 strings",
    ],
    [
      "a segment",
      withTensor({
        dataType: 1,
        dims: [],
        segment: { begin: int64(0), end: int64(1) },
        rawData: new Uint8Array(4),
      }),
      "segment",
      'initializer "w"',
      "segments",
    ],
    [
      "two initializers of a name",
      encode({
        graph: {
          initializer: [
            { name: "w", dataType: 1, dims: [int64(0)] },
            { name: "w", dataType: 1, dims: [int64(0)] },
          ],
        },
      }),
      "duplicate-name",
      'initializer "w"',
      '"w"',
    ],
    [
      "two attributes of a name",
      withNode({
        attribute: [
          { name: "a", type: 2 },
          { name: "a", type: 2 },
        ],
      }),
      "duplicate-name",
      'node 0 "n" (Op)',
      '"a"',
    ],
    [
      "an unknown attribute type",
      withAttribute({ type: 77 }),
      "wire-type",
      'node 0 "n" (Op), attribute "a"',
      "Field 20 of AttributeProto",
    ],
    ["an attribute without anything", withAttribute({}), "attribute-type", 'attribute "a"', "neither"],
    [
      "a tensor attribute without tensor",
      withAttribute({ type: 4 }),
      "attribute-value",
      'attribute "a"',
      "missing",
    ],
    [
      "a sparse tensor without indices",
      withAttribute({ type: 11, sparseTensor: { values: { dataType: 1, dims: [int64(0)] } } }),
      "sparse-tensor",
      'attribute "a"',
      "no indices",
    ],
    [
      "a bad tensor in an inner graph",
      withAttribute({ type: 5, g: { initializer: [{ name: "v", dataType: 42 }] } }),
      "element-type",
      'attribute "a", initializer "v"',
      "42",
    ],
    [
      "a declared type that does not exist",
      encode({ graph: { input: [{ name: "x", type: { tensorType: { elemType: 1000 } } }] } }),
      "element-type",
      'input "x"',
      "1000",
    ],
    [
      "a negative declared dimension",
      encode({
        graph: {
          input: [
            { name: "x", type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: int64(-2) }] } } } },
          ],
        },
      }),
      "dims",
      'input "x"',
      "-2",
    ],
    [
      "contradicting operator set versions",
      encode({ graph: {}, opsetImport: [{ version: int64(7) }, { domain: "ai.onnx", version: int64(8) }] }),
      "opset",
      "opset imports",
      "contradict",
    ],
    [
      "external data without a folder",
      withTensor({
        dataType: 1,
        dims: [int64(1)],
        dataLocation: 1,
        externalData: [{ key: "location", value: "f" }],
      }),
      "external-data",
      'initializer "w"',
      "folder",
    ],
  ];
  test.each(cases)("%s", async (_name, bytes, code, place, text) => {
    const error = await catchUserError(() => decodeModel(bytes, { file: "m.onnx" }));
    expect(error.code).toBe(`model/${code}`);
    expect(error.where).toContain("m.onnx");
    expect(error.where).toContain(place);
    expect(error.message).toContain(text);
    expect(error.hint).toBeTruthy();
  });

  test("an exporter's -1 for an unknown dimension is read as unknown", () => {
    const shape = { dim: [{ dimValue: int64(-1) }, { dimValue: int64(3) }] };
    const { graph } = decodeModel(
      encode({ graph: { input: [{ name: "x", type: { tensorType: { elemType: 1, shape } } }] } }),
    );
    expect(graph.inputs[0]?.type).toEqual({ kind: "tensor", dtype: "float32", shape: [undefined, 3] });
  });
});

test("training info with external data is refused, because saving would lose it", async () => {
  const initializer = [{ name: "m", dataType: 1, dims: [int64(1)], dataLocation: 1 }];
  const bytes = encode({ graph: {}, trainingInfo: [{ algorithm: { initializer } }] });
  const error = await catchUserError(() => decodeModel(bytes));
  expect(error.code).toBe("model/external-data");
  expect(error.where).toContain('training info, initializer "m"');
});

describe("nesting", () => {
  /** A graph with an If in an If in an If ... */
  function nestedGraph(depth: number): Uint8Array {
    let graph: Uint8Array = new Uint8Array(0);
    for (let i = 0; i < depth; i++) {
      const attribute = Buffer.concat([field(1, Buffer.from("then_branch")), field(6, graph)]);
      graph = field(1, Buffer.concat([field(4, Buffer.from("If")), field(5, attribute)]));
    }
    return field(7, graph);
  }

  test("thirty levels are read", () => {
    let graph = decodeModel(nestedGraph(30)).graph;
    for (let depth = 0; depth < 30; depth++) {
      const branch = graph.nodes[0]?.attributes.get("then_branch");
      if (branch?.type !== "graph") throw new Error(`no graph at depth ${depth}`);
      graph = branch.value;
    }
    expect(graph.nodes).toEqual([]);
  });

  test.each([40, 2000])("%i levels are refused", async (depth) => {
    const error = await catchUserError(() => decodeModel(nestedGraph(depth), { file: "deep.onnx" }));
    expect(error.code).toBe("model/nesting");
  });

  test("groups within groups are refused", async () => {
    const groups = new Uint8Array(200_000).fill(((200 << 3) & 127) | 3);
    expect((await catchUserError(() => decodeModel(groups))).code).toMatch(/^model\/(nesting|not-onnx)$/);
  });
});
