import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createGraph, createModel } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { isExternal } from "../../src/onnx/external-data.ts";
import { decodeModel, encodeModel, loadModel, saveModel } from "../../src/onnx/index.ts";
import { codecs } from "../../src/onnx/proto/schema.ts";
import { floats, ints, type Tensor } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";
import { requirePython, runPython } from "../support/python.ts";

let folder: string;
const at = (...parts: string[]): string => path.join(folder, ...parts);

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "efqat-external-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function modelOf(initializers: Record<string, Tensor>): Model {
  const graph = createGraph("g");
  for (const [name, tensor] of Object.entries(initializers)) graph.initializers.set(name, tensor);
  return createModel(graph, 17);
}

function sampleModel(): Model {
  const values = (count: number): number[] => Array.from({ length: count }, (_, i) => Math.sin(i));
  return modelOf({
    first: floats(values(1000), [10, 100]),
    shape: ints([1, -1]),
    second: floats(values(5000)),
  });
}

/** A model with one float32 tensor of shape [4] whose external_data entries are given. */
function craftModel(entries: Record<string, string>): Uint8Array {
  const dims = [{ low: 4, high: 0, unsigned: false }];
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
  const tensor = { name: "w", dataType: 1, dims, dataLocation: 1, externalData };
  return new Uint8Array(codecs.ModelProto.encode({ graph: { initializer: [tensor] } }).finish());
}

const bytesOf = (model: Model): Map<string, Uint8Array> =>
  new Map([...model.graph.initializers].map(([name, { bytes }]) => [name, new Uint8Array(bytes)]));

describe("reading", () => {
  test("bytes are read on first use, at their offset", async () => {
    await writeFile(
      at("data"),
      Uint8Array.from({ length: 40 }, (_, i) => i),
    );
    const model = decodeModel(craftModel({ location: "data", offset: "8", length: "16" }), {
      directory: folder,
    });
    const tensor = model.graph.initializers.get("w") as Tensor;
    expect(isExternal(tensor)).toBe(true);
    expect([...tensor.bytes]).toEqual(Array.from({ length: 16 }, (_, i) => i + 8));
    expect(tensor.bytes).toBe(tensor.bytes);
  });

  test("offset and length may be left out", async () => {
    await writeFile(at("data"), new Uint8Array(20).fill(3));
    const model = decodeModel(craftModel({ location: "data" }), { directory: folder });
    expect([...(model.graph.initializers.get("w")?.bytes ?? [])]).toEqual(new Array(16).fill(3));
  });

  test("a file in a folder below is fine, as is a link that stays inside", async () => {
    await mkdir(at("sub"));
    await writeFile(at("sub", "data"), new Uint8Array(16));
    await symlink("sub/data", at("link"));
    for (const location of ["sub/data", "link", "./sub/data"])
      expect(
        decodeModel(craftModel({ location }), { directory: folder }).graph.initializers.get("w")?.bytes,
      ).toEqual(new Uint8Array(16));
  });

  const outside = [
    "../secret",
    "/etc/hostname",
    "sub/../../secret",
    "C:\\secret",
    "\\\\host\\share",
    "link",
    "linked/secret",
    "..\\secret",
  ];
  test.each(outside)("%s is refused: it leads out of the model's folder", async (location) => {
    const home = at("home");
    await mkdir(path.join(home, "sub"), { recursive: true });
    await writeFile(at("secret"), new Uint8Array(16));
    await symlink(at("secret"), path.join(home, "link"));
    await symlink(folder, path.join(home, "linked"));
    const error = await catchUserError(() =>
      decodeModel(craftModel({ location }), { directory: home, file: "m.onnx" }),
    );
    expect(error.code).toBe("model/external-data");
    expect(error.message).toContain("outside");
    expect(error.where).toBe('m.onnx: initializer "w"');
  });

  const broken: [entries: Record<string, string>, text: string][] = [
    [{ location: "none" }, "missing"],
    [{}, "names no file"],
    [{ location: "folder" }, "not a regular file"],
    [{ location: "data", offset: "8" }, "has 20 bytes, but bytes 8 to 24"],
    [{ location: "data", offset: "9007199254740992" }, "not a byte count"],
    [{ location: "data", offset: "9007199254740990" }, "has 20 bytes"],
    [{ location: "data", offset: "-4" }, '"-4"'],
    [{ location: "data", offset: "0x4" }, '"0x4"'],
    [{ location: "data", length: "1000000000000" }, "type and shape need 16"],
    [{ location: "data", length: "4" }, "type and shape need 16"],
  ];
  test.each(broken)("%j is refused", async (entries, text) => {
    await writeFile(at("data"), new Uint8Array(20));
    await mkdir(at("folder"));
    const error = await catchUserError(() => decodeModel(craftModel(entries), { directory: folder }));
    expect(error.code).toBe("model/external-data");
    expect(error.message).toContain(text);
    expect(error.hint).toBeTruthy();
  });

  test("a file that changes or goes after loading is noticed on first use", async () => {
    const load = async (): Promise<Tensor> => {
      await writeFile(at("data"), new Uint8Array(16));
      const model = decodeModel(craftModel({ location: "data" }), { directory: folder });
      return model.graph.initializers.get("w") as Tensor;
    };
    const shortened = await load();
    await truncate(at("data"), 8);
    expect((await catchUserError(() => shortened.bytes)).message).toContain("changed");
    const removed = await load();
    await rm(at("data"));
    expect((await catchUserError(() => removed.bytes)).message).toContain("no longer be opened");
  });

  test("a model written by Python's onnx is read", async (context) => {
    const python = await requirePython(context, ["onnx==1.23.2"]);
    await runPython(python, "test/onnx/python/external_data.py", ["write", folder]);
    const { graph } = await loadModel(at("model.onnx"));
    expect(graph.initializers.get("a")).toMatchObject({ dtype: "float32", dims: [20, 30] });
    expect(graph.initializers.get("a")?.bytes).toEqual(
      new Uint8Array(Float32Array.from({ length: 600 }, (_, i) => i).buffer),
    );
    expect(graph.initializers.get("b")?.bytes).toEqual(Uint8Array.from({ length: 2000 }, (_, i) => i));
    expect([...graph.initializers].map(([name, tensor]) => [name, isExternal(tensor)])).toEqual([
      ["a", true],
      ["small", false],
      ["b", true],
    ]);
  });
});

describe("writing", () => {
  test("what is saved externally is read back, aligned, and the same for Python", async (context) => {
    const model = sampleModel();
    await saveModel(model, at("model.onnx"), { externalData: "always" });
    expect((await readdir(folder)).sort()).toEqual(["model.onnx", "model.onnx.data"]);
    const loaded = await loadModel(at("model.onnx"));
    expect(bytesOf(loaded)).toEqual(bytesOf(model));
    const ranges = [...loaded.graph.initializers.values()]
      .filter(isExternal)
      .map(({ external }) => external.offset);
    expect(ranges).toEqual([0, 4096]);
    const python = await requirePython(context, ["onnx==1.23.2"]);
    const rows = JSON.parse(
      await runPython(python, "test/onnx/python/external_data.py", ["read", at("model.onnx")]),
    ) as [string, number, number[], string, Record<string, string>][];
    expect(rows.map(([name, , , data]) => [name, data])).toEqual(
      [...bytesOf(model)].map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]),
    );
    expect(rows.map(([, , , , place]) => place)).toEqual([
      { location: "model.onnx.data", offset: "0", length: "4000" },
      {},
      { location: "model.onnx.data", offset: "4096", length: "20000" },
    ]);
  });

  test("weights stay inside by default, and move out when they would not fit", async () => {
    await saveModel(sampleModel(), at("inside.onnx"));
    await saveModel(sampleModel(), at("never.onnx"), { externalData: "never", singleFileLimit: 1 });
    expect((await readdir(folder)).sort()).toEqual(["inside.onnx", "never.onnx"]);
    await saveModel(sampleModel(), at("out.onnx"), { singleFileLimit: 20_000, dataFile: "weights" });
    expect((await stat(at("weights"))).size).toBe(4096 + 20_000);
    expect((await stat(at("out.onnx"))).size).toBeLessThan(500);
    expect(bytesOf(await loadModel(at("out.onnx")))).toEqual(bytesOf(sampleModel()));
  });

  test("external data is copied from file to file, and can be taken back inside", async () => {
    await saveModel(sampleModel(), at("a.onnx"), { externalData: "always" });
    await saveModel(await loadModel(at("a.onnx")), at("b.onnx"), { externalData: "always" });
    await saveModel(await loadModel(at("a.onnx")), at("c.onnx"));
    await rm(at("a.onnx.data"));
    expect(bytesOf(await loadModel(at("b.onnx")))).toEqual(bytesOf(sampleModel()));
    expect(bytesOf(await loadModel(at("c.onnx")))).toEqual(bytesOf(sampleModel()));
    expect(await readFile(at("c.onnx"))).toEqual(Buffer.from(encodeModel(sampleModel())));
  });

  test("data that the model still reads is never overwritten", async () => {
    await saveModel(sampleModel(), at("a.onnx"), { externalData: "always" });
    const before = await readFile(at("a.onnx.data"));
    const model = await loadModel(at("a.onnx"));
    const error = await catchUserError(() => saveModel(model, at("a.onnx"), { externalData: "always" }));
    expect(error.code).toBe("usage/overwrites-source");
    expect(error.where).toBe(at("a.onnx.data"));
    expect(await readFile(at("a.onnx.data"))).toEqual(before);
    expect((await readdir(folder)).sort()).toEqual(["a.onnx", "a.onnx.data"]);
    await saveModel(model, at("a.onnx"));
    expect(bytesOf(await loadModel(at("a.onnx")))).toEqual(bytesOf(sampleModel()));
  });

  test("more than 2 GiB in one file is refused before anything is read", async () => {
    const handle = await open(at("huge"), "w");
    await handle.truncate(2 ** 31);
    await handle.close();
    const dims = [{ low: 2 ** 29, high: 0, unsigned: false }];
    const tensor = {
      name: "w",
      dataType: 1,
      dims,
      dataLocation: 1,
      externalData: [{ key: "location", value: "huge" }],
    };
    const model = decodeModel(codecs.ModelProto.encode({ graph: { initializer: [tensor] } }).finish(), {
      directory: folder,
    });
    expect((await catchUserError(() => encodeModel(model))).code).toBe("model/too-large");
    const error = await catchUserError(() => saveModel(model, at("m.onnx"), { externalData: "never" }));
    expect(error.code).toBe("model/too-large");
    expect(await readdir(folder)).toEqual(["huge"]);
  });

  test.each(["../data", "sub/data", "m.onnx"])("%s is no name for the data file", async (dataFile) => {
    const error = await catchUserError(() =>
      saveModel(sampleModel(), at("m.onnx"), { externalData: "always", dataFile }),
    );
    expect(error.code).toBe("usage/data-file");
  });
});
