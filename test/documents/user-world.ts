import { existsSync } from "node:fs";
import { copyFile, cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { saveModel } from "../../src/onnx/index.ts";
import { floats, ints } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { writeDataKinds, writeKindModels } from "../support/data-kinds.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { writeNpz } from "../support/write-numpy.ts";
import { wavOf } from "../support/write-wav.ts";
import { blocksOf } from "./read-documents.ts";

const samples = 16;
const classes = Array.from({ length: samples }, (_, at) => at % 2);
const labels = ints(classes);

/** Which model the documents' `model.onnx` is, by what a command says of its data; the first that matches. */
const models: [of: RegExp, file: string][] = [
  [/fashion-mnist|artifact|quantized\.onnx/, "grey.onnx"],
  [/iris\.csv/, "iris.onnx"],
  [/words\//, "sounds.onnx"],
  [/--layout nhwc/, "nhwc.onnx"],
];

/** Puts there what a command means by `model.onnx`, `model.int8.onnx` and `efqat.yaml`, which others may have written. */
export async function placeFiles(line: string): Promise<void> {
  const [, file = "pictures.onnx"] = models.find(([of]) => of.test(line)) ?? [];
  await copyFile(file, "model.onnx");
  if (existsSync("pictures.int8.onnx")) await copyFile("pictures.int8.onnx", "model.int8.onnx");
  await rm("efqat.yaml", { force: true });
  if (line.includes("efqat.yaml"))
    await writeFile("efqat.yaml", "model: model.onnx\ndata: samples.npz\nout: made.onnx\n");
}

/** Writes what the documents' commands read, small, to the folder that it is called in; `root` has the fixtures. */
export async function writeWorld(root: string): Promise<void> {
  await writeKindModels(".");
  for (const [name, model] of Object.entries(ownModels())) await saveModel(model, `${name}.onnx`);
  await copyFile("tokens.onnx", "encoder.onnx");
  await writePictures("images");
  await writeSounds("words");
  await writeArrays();
  await cp("idx", "fashion-mnist", { recursive: true });
  for (const part of ["images-idx3-ubyte", "labels-idx1-ubyte"])
    await copyFile(`idx/train-${part}`, `fashion-mnist/t10k-${part}`);
  await mkdir("vit");
  await copyFile("vit.json", "vit/preprocessor_config.json");
  const rows = Array.from(
    { length: samples },
    (_, at) => `${at % 5},${(at * 7) % 11},${at % 2 ? "a" : "b"}\n`,
  );
  await writeFile("iris.csv", `width,height,species\n${rows.join("")}`);
  await writeFile("letters.txt", "abcdef".split("").join("\n"));
  await writeZoo(root);
}

/** The models that the small ones of the kinds of data are not. */
function ownModels(): Record<string, Model> {
  const classify = (emit: Emitter, from: string, size: number): string => {
    const map = emit.node("Conv", [from, emit.constant(randomTensor([4, 3, size, size], 1), "w")], {
      attributes: { strides: [size, size] },
    });
    const [mean] = emit.node("GlobalAveragePool", emit.node("Relu", map));
    return emit.node("Flatten", [mean as string])[0] as string;
  };
  const pictures = (input: string, dims: (number | string)[], transposed: boolean): Model =>
    buildModel({
      inputs: { [input]: dims },
      outputs: ["scores"],
      build: (emit) => {
        const [first] = transposed
          ? emit.node("Transpose", [input], { attributes: { perm: [0, 3, 1, 2] } })
          : [input];
        const flat = classify(emit, first as string, 16);
        emit.node("MatMul", [flat, emit.constant(randomTensor([4, 2], 2), "v")], { outputs: ["scores"] });
      },
    });
  return {
    pictures: pictures("input", ["batch", 3, 224, 224], false),
    nhwc: pictures("input", ["batch", 224, 224, 3], true),
    vit: pictures("pixel_values", ["batch", 3, 32, 32], false),
    iris: linear("x", 2),
    sounds: buildModel({
      inputs: { wave: ["batch", 1, 16_000] },
      outputs: ["scores"],
      build: (emit) => {
        const kernel = emit.constant(randomTensor([4, 1, 400], 1), "w");
        const map = emit.node("Conv", ["wave", kernel], { attributes: { strides: [200] } });
        const [mean] = emit.node("GlobalAveragePool", emit.node("Relu", map));
        const [flat] = emit.node("Flatten", [mean as string]);
        emit.node("MatMul", [flat as string, emit.constant(randomTensor([4, 2], 2), "v")], {
          outputs: ["scores"],
        });
      },
    }),
    detector: buildModel({
      inputs: { images: ["batch", 3, "height", "width"] },
      outputs: ["boxes", "scores"],
      build: (emit) => {
        const flat = classify(emit, "images", 16);
        const [boxes] = emit.node("MatMul", [flat, emit.constant(randomTensor([4, 4], 2), "b")]);
        emit.node("Mul", [boxes as string, emit.constant(floats([2]), "two")], {
          outputs: ["boxes"],
          name: "/head/Mul",
        });
        emit.node(
          "Sigmoid",
          emit.node("MatMul", [flat, emit.constant(randomTensor([4, 1], 3), "s")], { name: "/head/Concat" }),
          { outputs: ["scores"] },
        );
      },
    }),
    // Steps, samples, characters.
    reader: buildModel({
      inputs: { line: ["batch", 6, 4] },
      outputs: ["steps"],
      build: (emit) => {
        const [hidden] = emit.node(
          "Relu",
          emit.node("MatMul", ["line", emit.constant(randomTensor([4, 8], 1), "w")]),
        );
        emit.node("MatMul", [hidden as string, emit.constant(randomTensor([8, 7], 2), "v")], {
          outputs: ["steps"],
        });
      },
    }),
    segmenter: buildModel({
      inputs: { images: ["batch", 3, 32, 32] },
      outputs: ["maps"],
      build: (emit) => {
        emit.node("Conv", ["images", emit.constant(randomTensor([2, 3, 1, 1], 1), "w")], {
          outputs: ["maps"],
        });
      },
    }),
  };
}

const linear = (input: string, width: number): Model =>
  buildModel({
    inputs: { [input]: ["batch", width] },
    outputs: ["scores"],
    build: (emit) => {
      emit.node("MatMul", [input, emit.constant(randomTensor([width, 2], 1), "w")], { outputs: ["scores"] });
    },
  });

async function writePictures(folder: string): Promise<void> {
  for (const name of ["cat", "dog"]) await mkdir(join(folder, name), { recursive: true });
  for (let at = 0; at < samples; at++) {
    const background = { r: at * 10, g: (at % 2) * 200, b: 60 };
    const picture = sharp({ create: { width: 32, height: 32, channels: 3, background } });
    await picture.png().toFile(join(folder, at % 2 === 0 ? "cat" : "dog", `${at}.png`));
  }
}

async function writeSounds(folder: string): Promise<void> {
  for (const name of ["high", "low"]) await mkdir(join(folder, name), { recursive: true });
  for (let at = 0; at < samples; at++) {
    const tone = Array.from(
      { length: 15_000 + 100 * at },
      (_, each) => 9000 * Math.sin(each * (at % 2 ? 0.2 : 0.9)),
    );
    await writeFile(join(folder, at % 2 ? "low" : "high", `${at}.wav`), wavOf(tone, { sampleRate: 16_000 }));
  }
}

async function writeArrays(): Promise<void> {
  await writeDataKinds("kinds");
  for (const name of ["idx", "texts.txt", "vit.json"]) await cp(`kinds/${name}`, name, { recursive: true });
  await writeNpz("samples.npz", { input: randomTensor([samples, 3, 224, 224], 3), labels });
  const small = randomTensor([samples, 3, 32, 32], 4);
  await writeNpz("images.npz", { images: small });
  await writeNpz("frames.npz", { images: randomTensor([4, 3, 640, 640], 5) });
  await writeNpz("truth.npz", {
    boxes: randomTensor([samples, 4], 6),
    present: floats(classes, [samples, 1]),
  });
  await writeNpz("masks.npz", {
    masks: ints(
      Array.from({ length: samples * 32 * 32 }, (_, at) => at % 2),
      [samples, 32, 32],
    ),
  });
  const words = ints(
    Array.from({ length: samples * 3 }, (_, at) => (at % 3 === 2 ? -1 : 1 + (at % 6))),
    [samples, 3],
  );
  await writeNpz("lines.npz", { line: randomTensor([samples, 6, 4], 7), words });
  const ids = ints(
    Array.from({ length: samples * 5 }, (_, at) => at % 8),
    [samples, 5],
  );
  await writeNpz("tokens.npz", { input_ids: ids });
}

/** The zoo of docs/zoo.md, and a folder of models. */
async function writeZoo(root: string): Promise<void> {
  for (const folder of ["vision", "text", "more/inner", "models"]) await mkdir(folder, { recursive: true });
  await copyFile("pictures.onnx", "vision/resnet50.onnx");
  await copyFile("tokens.onnx", "text/bert.onnx");
  await copyFile("tokens.npz", "text/bert.npz");
  const inner = { x: randomTensor([samples, 3], 8) };
  for (const stem of ["more/inner/linear", "models/linear"]) {
    await copyFile("linear.onnx", `${stem}.onnx`);
    await writeNpz(`${stem}.npz`, inner);
  }
  const [zoo = ""] = blocksOf(join(root, "docs/zoo.md"), "yaml");
  await writeFile("zoo.yaml", zoo);
  const [run = ""] = blocksOf(join(root, "docs/cli.md"), "yaml");
  await writeFile("run.yaml", run);
}
