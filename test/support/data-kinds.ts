import { cp, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { saveModel } from "../../src/onnx/index.ts";
import { floats, ints } from "../../src/tensor/tensor.ts";
import { buildModel } from "./build-model.ts";
import { randomTensor } from "./random-tensor.ts";
import { encodeNpy, writeNpz } from "./write-numpy.ts";
import { wavOf } from "./write-wav.ts";
import { wordTokenizer } from "./word-tokenizer.ts";

/** Each kind with the model that it feeds and options of it; paths of files among these start from their folder. */
export const kinds: [kind: string, model: string, data: string, options?: object][] = [
  ["IDX", "grey.onnx", "idx", { mean: 0.286, std: 0.353 }],
  ["a folder of pictures by class", "conv.onnx", "classes", { mean: 0.5, std: 0.25 }],
  [
    "pictures with the preprocessing of a model",
    "conv.onnx",
    "images.jsonl",
    { preprocess: "vit.json", resize: "8x8" },
  ],
  ["an .npy file", "linear.onnx", "x.npy", { labels: "y.npy" }],
  ["an .npz file", "linear.onnx", "x.npz"],
  ["a folder of .npy files by class", "linear.onnx", "arrays"],
  ["a folder of .npz files", "linear.onnx", "feeds", { labels: "y.npy" }],
  ["ONNX test data sets", "linear.onnx", "sets", { labels: "none" }],
  ["CSV", "linear.onnx", "numbers.csv"],
  ["JSON lines with paths of pictures", "conv.onnx", "images.jsonl"],
  ["Parquet of numbers", "linear.onnx", "numbers-zstd.parquet"],
  ["Parquet of pictures", "conv.onnx", "images.parquet"],
  ["a folder of Parquet files", "linear.onnx", "shards"],
  ["texts", "tokens.onnx", "texts.txt", { tokenizer: "tokenizer.json", labels: "none" }],
  ["pairs of texts", "tokens.onnx", "pairs.csv", { tokenizer: "tokenizer.json", length: 6 }],
  ["sounds by class", "sounds.onnx", "words", { length: 64, sampleRate: 8000 }],
  ["a JavaScript module", "linear.onnx", "x.mjs"],
];

/** Options of a run of a kind whose files lie in `folder`. */
export function optionsOf(
  [, model, data, options = {}]: (typeof kinds)[number],
  folder: string,
): { model: string; data: string; out: string; samples: number; target: "ort-cpu-no-vnni" } {
  const own = Object.entries<unknown>({ ...options }).map(([name, value]): [string, unknown] => [
    name,
    typeof value === "string" && /\.(json|npy)$/.test(value) ? join(folder, value) : value,
  ]);
  return {
    model: join(folder, model),
    data: join(folder, data),
    out: join(folder, "made.onnx"),
    // The same on processors with and without VNNI.
    samples: 16,
    target: "ort-cpu-no-vnni",
    ...(Object.fromEntries(own) as object),
  };
}

/** 24 samples of two classes, three numbers each. */
const rows = Array.from({ length: 24 }, (_, row) => {
  const label = row % 2;
  return { values: [Math.sin(row), Math.cos(row * 3) + label, row / 24], label };
});
const labels = rows.map(({ label }) => label);

/** Writes the samples in every kind that is read. */
export async function writeDataKinds(folder: string): Promise<void> {
  const put = async (name: string, content: string | Uint8Array): Promise<void> => {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  };
  await cp("fixtures/data-kinds", folder, { recursive: true });
  await cp("fixtures/preprocess/vit.json", join(folder, "vit.json"));
  for (const shard of ["a", "b"])
    await cp("fixtures/data-kinds/numbers-gzip.parquet", join(folder, `shards/${shard}.parquet`));
  const x = floats(
    rows.flatMap(({ values }) => values),
    [24, 3],
  );
  await put("x.npy", encodeNpy(x));
  await put("y.npy", encodeNpy(ints(labels)));
  await writeNpz(join(folder, "x.npz"), { x, labels: ints(labels) });
  await writeTables(put);
  await writePictures(put);
  for (const [row, { values, label }] of rows.entries()) {
    const name = String(row).padStart(2, "0");
    await put(`arrays/${label}/${name}.npy`, encodeNpy(floats(values)));
    await mkdir(join(folder, "feeds"), { recursive: true });
    await writeNpz(join(folder, `feeds/${name}.npz`), { x: floats(values, [1, 3]) });
    await put(`sets/test_data_set_${row}/input_0.pb`, tensorFile(values));
    // Tones of two heights, of differing lengths.
    const tone = Array.from(
      { length: 60 + row },
      (_, at) => 9000 * Math.sin(at * (label === 0 ? 0.2 : 0.9) + row),
    );
    await put(`words/${label === 0 ? "low" : "high"}/${name}.wav`, wavOf(tone));
  }
}

type Put = (name: string, content: string | Uint8Array) => Promise<void>;

async function writeTables(put: Put): Promise<void> {
  const lines = rows.map(({ values, label }) => `${[...values, label].join(",")}\n`);
  await put("numbers.csv", `a,b,c,label\n${lines.join("")}`);
  const words = ["a", "cat", "dog", "sat"];
  const text = (row: number): string => [0, 1, 2].map((at) => words[(row * (at + 1)) % 4]).join(" ");
  await put("texts.txt", rows.map((_, row) => `${text(row)}\n`).join(""));
  const pairs = rows.map(({ label }, row) => `${text(row)},${text(row + 1)} cat,${label}\n`);
  await put("pairs.csv", `sentence1,sentence2,label\n${pairs.join("")}`);
  await put("tokenizer.json", JSON.stringify(wordTokenizer));
  const values = rows.map((row) => row.values);
  await put(
    "x.mjs",
    `const [values, labels] = ${JSON.stringify([values, labels])};
     export default { length: 24, read: (indices) => ({
       inputs: { x: { data: Float32Array.from(indices.flatMap((at) => values[at])), dims: [indices.length, 3] } },
       labels: indices.map((at) => labels[at]) }) };`,
  );
}

async function writePictures(put: Put): Promise<void> {
  const lines: string[] = [];
  for (const [row, { label }] of rows.entries()) {
    const background = { r: row * 10, g: label * 200, b: 60 };
    const picture = await sharp({ create: { width: 8, height: 8, channels: 3, background } })
      .png()
      .toBuffer();
    await put(`images/${row}.png`, picture);
    await put(`classes/${label}/${row}.png`, picture);
    lines.push(`${JSON.stringify({ image: `images/${row}.png`, label })}\n`);
  }
  await put("images.jsonl", lines.join(""));
  const header = (...numbers: number[]): Buffer => {
    const bytes = Buffer.from([0, 0, 8, numbers.length, ...new Array<number>(4 * numbers.length).fill(0)]);
    numbers.forEach((value, at) => bytes.writeInt32BE(value, 4 + 4 * at));
    return bytes;
  };
  const pixels = Uint8Array.from({ length: 24 * 64 }, (_, at) => (at * 37 + Math.floor(at / 64) * 11) % 256);
  await put("idx/train-images-idx3-ubyte", Buffer.concat([header(24, 8, 8), pixels]));
  await put("idx/train-labels-idx1-ubyte", Buffer.concat([header(24), Uint8Array.from(labels)]));
}

/** A TensorProto: dims 1 and 3, float data, raw. Source: onnx.proto, fields 1, 2 and 9. */
function tensorFile(values: readonly number[]): Uint8Array {
  const raw = Buffer.from(Float32Array.from(values).buffer);
  return Buffer.concat([Buffer.from([8, 1, 8, values.length, 16, 1, 0x4a, raw.length]), raw]);
}

/** Writes the small models that the samples feed. */
export async function writeKindModels(folder: string): Promise<void> {
  const save = (name: string, model: ReturnType<typeof buildModel>): Promise<void> =>
    saveModel(model, join(folder, name));
  const conv = (channels: number, name: string): ReturnType<typeof buildModel> =>
    buildModel({
      inputs: { [name]: ["batch", channels, 8, 8] },
      outputs: ["scores"],
      build: (emit) => {
        const w = emit.constant(randomTensor([4, channels, 3, 3], 1), "w");
        const v = emit.constant(randomTensor([4, 2], 2), "v");
        const [map] = emit.node("Relu", emit.node("Conv", [name, w]));
        const [mean] = emit.node("GlobalAveragePool", [map as string]);
        const [flat] = emit.node("Flatten", [mean as string]);
        emit.node("MatMul", [flat as string, v], { outputs: ["scores"] });
      },
    });
  await save("conv.onnx", conv(3, "image"));
  await save("grey.onnx", conv(1, "image"));
  await save(
    "linear.onnx",
    buildModel({
      inputs: { x: ["batch", 3] },
      outputs: ["scores"],
      build: (emit) => {
        emit.node("MatMul", ["x", emit.constant(randomTensor([3, 2], 1), "w")], { outputs: ["scores"] });
      },
    }),
  );
  await save(
    "tokens.onnx",
    buildModel({
      inputs: { input_ids: ["int64", "batch", "length"] },
      outputs: ["scores"],
      build: (emit) => {
        const table = emit.constant(randomTensor([8, 6], 1), "table");
        const [rows] = emit.node("Gather", [table, "input_ids"]);
        const [mean] = emit.node("ReduceMean", [rows as string], {
          attributes: { axes: [1], keepdims: 0 },
        });
        emit.node("MatMul", [mean as string, emit.constant(randomTensor([6, 2], 2), "w")], {
          outputs: ["scores"],
        });
      },
    }),
  );
  await save(
    "sounds.onnx",
    buildModel({
      inputs: { wave: ["batch", 1, 64] },
      outputs: ["scores"],
      build: (emit) => {
        const [map] = emit.node(
          "Relu",
          emit.node("Conv", ["wave", emit.constant(randomTensor([4, 1, 9], 1), "w")]),
        );
        const [mean] = emit.node("GlobalAveragePool", [map as string]);
        const [flat] = emit.node("Flatten", [mean as string]);
        emit.node("MatMul", [flat as string, emit.constant(randomTensor([4, 2], 2), "v")], {
          outputs: ["scores"],
        });
      },
    }),
  );
}
