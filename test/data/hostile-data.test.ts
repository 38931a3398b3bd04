import { execFileSync } from "node:child_process";
import { mkdtemp, open as openFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDataset } from "../../src/data/open-dataset.ts";
import { materializeBatches, type ModuleBatch } from "../../src/data/loaders/module-batches.ts";
import type { ModelInput } from "../../src/data/model-input.ts";
import { toNumbers } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";
import { float32Npy, int64Npy, npyHeader, npyOf, type ZipEntry, zipOf } from "../support/zip-files.ts";

const x: ModelInput[] = [{ name: "x", dtype: "float32", shape: ["n", 2] }];
const image: ModelInput[] = [{ name: "x", dtype: "float32", shape: ["n", 1, 2, 2] }];
const samples = float32Npy([3, 2], Float32Array.of(1, 2, 3, 4, 5, 6));

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), "efqat-hostile-"))));
afterAll(() => rm(folder, { recursive: true }));

async function put(name: string, bytes: Uint8Array | string): Promise<string> {
  await writeFile(join(folder, name), bytes);
  return join(folder, name);
}
/** A file of `bytes` that ends as if `size` bytes were there, and takes no space. */
async function putSparse(name: string, bytes: Uint8Array, size: number): Promise<string> {
  const path = await put(name, bytes);
  const file = await openFile(path, "r+");
  await file.truncate(size);
  await file.close();
  return path;
}
const refusal = async (path: string, inputs = x, spec = {}): Promise<string> =>
  (await catchUserError(() => openDataset({ path, ...spec }, inputs))).toParagraph();

describe("archives and compressed data", () => {
  const entry = (more: Partial<ZipEntry> = {}): ZipEntry => ({ name: "x.npy", content: samples, ...more });

  test("compressed and stored arrays are read; only stored ones take no memory", async () => {
    for (const store of [true, false]) {
      const dataset = await openDataset({ path: await put("good.npz", zipOf(entry({ store }))) }, x);
      expect(toNumbers((await dataset.read([2, 0])).inputs["x"] as never)).toEqual([5, 6, 1, 2]);
      expect(dataset.bytesInMemory).toBe(store ? 0 : samples.byteLength);
    }
  });

  test.each<[string, ZipEntry, RegExp]>([
    ["a stored array that is damaged", entry({ store: true, crc: 1 }), /does not match its checksum/],
    ["a compressed array that is damaged", entry({ crc: 1 }), /array "x".*Write or download/],
    ["a declared size of 4 GB", entry({ uncompressedSize: 4e9 }), /unpack to more than \d+ MB/],
    ["more than declared", entry({ uncompressedSize: 100 }), /too many bytes|damaged/],
    ["less than declared", entry({ uncompressedSize: 1000 }), /not enough bytes|damaged/],
    ["encryption", entry({ flags: 1 }), /encrypted/],
  ])("%s is refused", async (_what, made, message) => {
    expect(await refusal(await put("bad.npz", zipOf(made)))).toMatch(message);
  });

  test("a gzip bomb is given up at the limit, whatever its header says", async () => {
    const member = gzipSync(new Uint8Array(16e6));
    const header = gzipSync(Uint8Array.from([0, 0, 8, 3, 0, 255, 255, 255, 0, 0, 0, 2, 0, 0, 0, 2]));
    const path = await put("bomb.gz", Buffer.concat([header, ...Array.from({ length: 320 }, () => member)]));
    const before = process.memoryUsage.rss();
    expect(await refusal(path, image)).toMatch(/unpack to more than \d+ MB.*uncompressed/);
    expect(process.memoryUsage.rss() - before).toBeLessThan(1e9);
  });
});

describe(".npy headers as strict as NumPy's", () => {
  const descr = "'descr': '<f4'";
  const order = "'fortran_order': False";
  const shape = "'shape': (3, 2)";
  test.each([
    [`{${descr}, ${order}, 'shape': (3, -2)}`, /header is malformed/],
    [`{${descr}, ${order}, 'shape': (6)}`, /header is malformed/],
    [`{${descr}, ${order}, 'shape': [3, 2]}`, /header is malformed/],
    [`{${descr}, ${shape}}`, /header is malformed/],
    [`{${descr}, ${order}, ${shape}, 'more': 1}`, /header is malformed/],
    [`{${descr}, ${descr}, ${order}, ${shape}}`, /header is malformed/],
    [`{${descr}, ${order}, ${shape}} trailing`, /header is malformed/],
    [`{${descr}, 'fortran_order': 0, ${shape}}`, /header is malformed/],
    [`{'descr': '>f4', ${order}, ${shape}}`, /big-endian.*newbyteorder/],
    [`{'descr': '|O', ${order}, ${shape}}`, /pickled Python objects/],
    [`{'descr': '<U5', ${order}, ${shape}}`, /holds text/],
    [`{'descr': [('a', '<f4')], ${order}, ${shape}}`, /named fields/],
    [`{'descr': '<c8', ${order}, ${shape}}`, /type '<c8' are not read/],
    [`{${descr}, 'fortran_order': True, ${shape}}`, /ascontiguousarray/],
    [`{${descr}, ${order}, 'shape': (9007199254740993, 2)}`, /beyond all files/],
    [`{${descr}, ${order}, 'shape': (3, 20)}`, /ends after \d+ of \d+ bytes/],
  ])("%s", async (header, message) => {
    expect(await refusal(await put("bad.npy", npyOf(header, new Uint8Array(24))))).toMatch(message);
  });

  test("Python 2's long integers, any order of the entries and a single dimension are fine", async () => {
    const header = "{'shape': (3L, 2L), 'fortran_order': False, 'descr': '<f4'}";
    const dataset = await openDataset({ path: await put("old.npy", npyOf(header, new Uint8Array(24))) }, x);
    expect(dataset.length).toBe(3);
  });

  test("an unknown version and a header beyond the file are named", async () => {
    const header = npyHeader("<f4", [3, 2]);
    expect(await refusal(await put("v.npy", npyOf(header, new Uint8Array(24), 9)))).toMatch(/version 9.0/);
    expect(await refusal(await put("h.npy", npyOf(header).subarray(0, 30)))).toMatch(/header is truncated/);
  });
});

describe("labels", () => {
  const labelled = async (labels: Uint8Array): Promise<{ path: string; labels: string }> => ({
    path: await put("samples.npy", samples),
    labels: await put("labels.npy", labels),
  });
  const read = async (labels: Uint8Array): Promise<number[]> => {
    const dataset = await openDataset(await labelled(labels), x);
    return Array.from((await dataset.read([0, 1, 2])).labels ?? []);
  };

  test.each<[string, Uint8Array, RegExp]>([
    ["a label beyond 32 bits", int64Npy([3], [1, 2n ** 32n + 2n, 0]), /sample 1 is 4294967298/],
    ["no dimension", int64Npy([], [1]), /shape \[\], not \[samples\]/],
    ["three dimensions", int64Npy([3, 1, 1], [1, 2, 3]), /shape \[3, 1, 1\]/],
    ["a fraction", float32Npy([3], Float32Array.of(1, 0.5, 0)), /sample 1 is 0.5/],
    ["NaN", float32Npy([3], Float32Array.of(1, NaN, 0)), /sample 1 is NaN/],
    ["scores", float32Npy([3, 2], Float32Array.of(0.5, 0.5, 1, 0, 0, 1)), /labels.argmax\(axis=1\)/],
    ["two ones in a row", int64Npy([3, 2], [1, 1, 1, 0, 0, 1]), /labels.argmax\(axis=1\)/],
    ["too few", int64Npy([2], [0, 1]), /2 labels for 3 samples/],
  ])("%s is refused", async (_what, labels, message) => {
    const spec = await labelled(labels);
    expect(await refusal(spec.path, x, { labels: spec.labels })).toMatch(message);
  });

  test("one-hot rows, a column and whole floats are labels", async () => {
    expect(await read(int64Npy([3, 3], [0, 0, 1, 1, 0, 0, 0, 1, 0]))).toEqual([2, 0, 1]);
    expect(await read(int64Npy([3, 1], [2, 0, 1]))).toEqual([2, 0, 1]);
    expect(await read(float32Npy([3], Float32Array.of(2, 0, 1)))).toEqual([2, 0, 1]);
  });

  test("labels that declare more than there are samples are not read", async () => {
    const idx = Uint8Array.from([0, 0, 8, 1, 0xf0, 0, 0, 0]);
    const path = await put("samples.npy", samples);
    const labels = await putSparse("labels-idx1-ubyte", idx, 8 + 0xf0000000);
    expect(await refusal(path, x, { labels })).toMatch(/4026531840 labels for 3 samples/);
    const npy = await putSparse("sparse.npy", npyOf(npyHeader("<i8", [5e8])), 5e9);
    expect(await refusal(path, x, { labels: npy })).toMatch(/500000000 labels for 3 samples/);
  });
});

test("samples beyond any data set, and samples without elements, are refused", async () => {
  const many = await putSparse("many.npy", npyOf(npyHeader("|u1", [2 ** 30, 2])), 2 ** 31 + 200);
  expect(await refusal(many, x)).toMatch(/1073741824 samples/);
  const none = await put("none.npy", npyOf(npyHeader("<f4", [10 ** 9, 0])));
  expect(await refusal(none, [{ name: "x", dtype: "float32", shape: ["n", "m"] }])).toMatch(/no elements/);
  const blank = await put(
    "blank-images-idx3-ubyte",
    Uint8Array.from([0, 0, 8, 3, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  );
  expect(await refusal(blank, image)).toMatch(/no pixels/);
});

test.skipIf(process.platform === "win32")("pipes and devices are no files", async () => {
  const pipe = join(folder, "pipe.npy");
  execFileSync("mkfifo", [pipe]);
  expect(await refusal(pipe)).toMatch(/named pipe.*write them to a file first/);
  expect(await refusal("/dev/zero")).toMatch(/is a device/);
  const path = await put("samples.npy", samples);
  expect(await refusal(path, x, { labels: pipe })).toMatch(/named pipe/);
});

describe("JavaScript modules that never end, or end too soon", () => {
  const batch = "{ inputs: { x: { data: new Float32Array(2), dims: [1, 2] } } }";
  test.each<[string, string, RegExp]>([
    ["a loop at the top", "while (true);", /given nothing for 0.5 seconds.*--data-timeout/],
    [
      "a promise that nobody keeps",
      "await new Promise(() => {}); export default [];",
      /ended without giving/,
    ],
    ["an exit", "process.exit(0);", /ended without giving/],
    [
      "a read that hangs",
      "export default { length: 1, read: () => new Promise(() => {}) };",
      /given nothing/,
    ],
    ["a senseless length", `export default { length: NaN, read: () => (${batch}) };`, /length is NaN/],
    [
      "an endless length",
      `export default { length: 1e15, read: () => (${batch}) };`,
      /1000000000000000 samples/,
    ],
    [
      "labels beyond 32 bits",
      "export default [{ inputs: { x: { data: new Float32Array(2), dims: [1, 2] } }, labels: [2 ** 32] }];",
      /sample 0 is 4294967296/,
    ],
  ])("%s", async (_what, code, message) => {
    const path = await put(`m${code.length}.mjs`, code);
    const open = async (): Promise<unknown> =>
      (await openDataset({ path, timeout: code.startsWith("while") ? 0.5 : 2 }, x)).read([0]);
    expect((await catchUserError(open)).toParagraph()).toMatch(message);
  });
});

test("iterated batches are kept up to a limit", async () => {
  const endless = async function* (): AsyncGenerator<ModuleBatch> {
    for (;;) yield { inputs: { x: { data: new Float32Array(2000), dims: [1000, 2] } } };
  };
  const limits = { samples: Infinity, bytes: 1e6, alive: () => undefined };
  await expect(materializeBatches(endless(), limits)).rejects.toThrow(
    /more than the 1 MB .*after \d+ samples.*read\(indices\)/,
  );
  expect(await materializeBatches(endless(), { ...limits, samples: 1500 })).toMatchObject({ length: 1500 });
});

describe("what is no data set is named for what it is", () => {
  test.each<[string, string | Uint8Array, RegExp]>([
    ["a.dat", "a,b\n1,2\n", /table of text \(CSV\).*ends in .csv/],
    ["a.parquet", "PAR1....", /Parquet/],
    ["unnamed", "PAR1....", /Parquet/],
    ["a.pt", zipOf({ name: "a/data.pkl", content: new Uint8Array(4) }), /PyTorch.*torch.load\('a.pt'\)/],
    ["a.pth", Buffer.from("\x80\x02\x8a", "latin1"), /PyTorch/],
    ["a.bin", Buffer.from("\x80\x04\x95abc", "latin1"), /pickle/],
    ["a.safetensors", Buffer.from('\x08\0\0\0\0\0\0\0{"a":{}}', "latin1"), /safetensors/],
    ["a.h5", Buffer.from("\x89HDF\r\n\x1a\n...", "latin1"), /HDF5/],
    ["a.png", Buffer.from("\x89PNG\r\n", "latin1"), /is a picture.*one folder per class/],
    ["a.npy", Buffer.from("\xff\xd8\xff\xe0", "latin1"), /is a picture/],
    ["a.mp4", Buffer.from("\0\0\0\x20ftypisom", "latin1"), /video/],
    ["a.tfrecord", "........", /TFRecord/],
    ["a.tar", Buffer.concat([new Uint8Array(257), Buffer.from("ustar")]), /tar archive.*tar -xf a.tar/],
    ["a.tgz", gzipSync(Buffer.concat([new Uint8Array(257), Buffer.from("ustar")])), /tar archive/],
    ["a.zip", zipOf({ name: "a.png", content: new Uint8Array(4) }), /zip archive without .npy/],
    ["a.json", "[[1, 2]]", /JSON/],
    ["a.onnx", Uint8Array.of(8, 8, 18, 7), /ONNX model/],
    ["empty.npy", "", /is empty/],
    ["odd.dat", Uint8Array.of(200, 3, 9, 255), /unknown format/],
  ])("%s", async (name, bytes, message) => {
    const path = await put(name, bytes);
    expect(await refusal(path)).toMatch(message);
    expect(await refusal(await put("s.npy", samples), x, { labels: path })).toMatch(/not a file of labels/);
  });

  test("arrays are known by how they begin, whatever their name", async () => {
    expect((await openDataset({ path: await put("array.dat", samples) }, x)).length).toBe(3);
    const zipped = await put("arrays.zip", zipOf({ name: "x.npy", content: samples }));
    expect((await openDataset({ path: zipped }, x)).length).toBe(3);
    expect((await openDataset({ path: await put("array.npy.gz", gzipSync(samples)) }, x)).length).toBe(3);
  });

  test("an address", async () => {
    expect(await refusal("https://example.org/x.npy")).toMatch(/is a URL.*Download it/);
  });
});
