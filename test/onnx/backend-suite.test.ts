/**
 * Every model of Python onnx's backend suite, and made ones that hold what the suite does not, through decode, IR,
 * verify, print and encode. Python's onnx is the judge of equality.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { printModel } from "../../src/ir/print.ts";
import { verifyModel } from "../../src/ir/verify.ts";
import { decodeModel, encodeModel, loadModel, saveModel } from "../../src/onnx/index.ts";
import { readContainer, writeContainer } from "../support/model-container.ts";
import { requirePython, runPython } from "../support/python.ts";

const packages = ["onnx==1.23.2"];

interface Comparison {
  compared: number;
  checked: number;
  refused: number;
  failures: [string, string][];
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "efqat-codec-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Compares containers under Python's onnx. */
async function compare(python: string, before: string, after: string): Promise<Comparison> {
  return JSON.parse(
    await runPython(python, "test/onnx/python/compare_models.py", [before, after]),
  ) as Comparison;
}

describe.each([
  { fixture: "fixtures/backend-suite/models.bin.gz", count: 1884 + 149, refused: 0 },
  // Refused by onnx.checker: an attribute without a type and ones without a value, types without an element type.
  { fixture: "fixtures/codec-models/models.bin.gz", count: 63, refused: 3 },
])("$fixture", ({ fixture, count, refused }) => {
  let originals: Map<string, Uint8Array>;
  beforeAll(async () => {
    originals = await readContainer(fixture);
  });

  test("holds all models", () => {
    expect(originals.size).toBe(count);
  });

  test("every model verifies and prints; its second encoding is its first, byte for byte", () => {
    for (const [name, bytes] of originals) {
      const model = decodeModel(bytes, { file: name });
      verifyModel(model);
      const text = printModel(model);
      const encoded = encodeModel(model);
      const again = decodeModel(encoded, { file: name });
      expect(printModel(again), name).toBe(text);
      expect(Buffer.compare(encodeModel(again), encoded), name).toBe(0);
    }
  });

  test("every model is equal under Python's onnx, and passes its checker as before", async (context) => {
    const python = await requirePython(context, packages);
    const encoded = new Map([...originals].map(([name, bytes]) => [name, encodeModel(decodeModel(bytes))]));
    const file = path.join(folder, `${count}.bin.gz`);
    await writeContainer(file, encoded);
    const result = await compare(python, path.resolve(fixture), file);
    expect(result).toEqual({ compared: count, checked: count - refused, refused, failures: [] });
  });
});

test("the exported fixture networks are equal under Python's onnx after saveModel", async (context) => {
  const python = await requirePython(context, packages);
  const networks = ["resnet20", "mobilenetv3"];
  const [originals, copies] = [new Map<string, Uint8Array>(), new Map<string, Uint8Array>()];
  for (const network of networks) {
    const source = path.resolve("fixtures", network, "model.onnx");
    const copy = path.join(folder, `${network}.onnx`);
    await saveModel(await loadModel(source), copy);
    originals.set(network, await readFile(source));
    copies.set(network, await readFile(copy));
  }
  const [before, after] = [path.join(folder, "networks.bin.gz"), path.join(folder, "copies.bin.gz")];
  await writeContainer(before, originals);
  await writeContainer(after, copies);
  expect(await compare(python, before, after)).toEqual({ compared: 2, checked: 2, refused: 0, failures: [] });
});

test("the comparison sees a changed weight, a lost name, a lost metadata entry and a lost unknown field", async (context) => {
  const python = await requirePython(context, packages);
  const originals = await readContainer("fixtures/codec-models/models.bin.gz");
  const bytes = originals.get("structure/unknown") as Uint8Array;
  const changed = new Map<string, Uint8Array>();
  const change = (name: string, edit: (model: ReturnType<typeof decodeModel>) => void): void => {
    const model = decodeModel(bytes);
    edit(model);
    changed.set(name, encodeModel(model));
  };
  change("weight", ({ graph }) => {
    const weight = graph.initializers.get("w");
    if (weight)
      graph.initializers.set("w", {
        ...weight,
        bytes: weight.bytes.map((byte, i) => (i === 7 ? byte ^ 1 : byte)),
      });
  });
  change("name", ({ graph }) => graph.nodes.forEach((node) => (node.name = "")));
  change("metadata", ({ graph }) => graph.nodes[0]?.metadata.delete("a"));
  change("unknown", ({ graph }) => delete graph.nodes[0]?.unknownFields);
  change("nothing", () => undefined);
  const [before, after] = [path.join(folder, "before.bin.gz"), path.join(folder, "after.bin.gz")];
  await writeContainer(before, new Map([...changed.keys()].map((name) => [name, bytes])));
  await writeContainer(after, changed);
  const { failures } = await compare(python, before, after);
  expect(failures.map(([name]) => name)).toEqual(["weight", "name", "metadata", "unknown"]);
});
