/** A network to time: where it comes from, and the batch it is trained with. */
export interface BenchModel {
  name: string;
  path: string;
  /** Python script, with arguments, that exports it to `path` where it is not there yet. */
  script?: { file: string; args?: readonly string[] };
  input: string;
  sample: readonly number[];
  classes: number;
  batch: number;
  /** Samples per run of the training graph, where a step takes several. */
  microBatch?: number;
  /** Layers on the longest way through it, where networks of several depths are compared. */
  depth?: number;
}

type Exporter = "torchscript" | "dynamo";

const imageNet = { input: "input", sample: [3, 224, 224], classes: 1000 };

/** The CIFAR-style ResNet of a depth 6 n + 2. */
export const resNetOfDepth = (depth: number): BenchModel => ({
  name: `small-resnet-${depth}`,
  path: `build/models/small-resnet-${depth}.onnx`,
  script: { file: "scripts/fixtures/export_small_resnet.py", args: ["--depth", String(depth)] },
  input: "input",
  sample: [3, 32, 32],
  classes: 10,
  batch: 32,
  depth,
});

/** A transformer on 128 embedded tokens, by either PyTorch exporter. */
const encoder = (name: string, layers: number, width: number, exporter: Exporter): BenchModel => ({
  name: exporter === "torchscript" ? name : `${name}-${exporter}`,
  path: `build/models/${name}-${exporter}.onnx`,
  script: {
    file: "scripts/fixtures/export_encoder.py",
    args: ["--layers", String(layers), "--width", String(width), "--exporter", exporter],
  },
  input: "input",
  sample: [128, width],
  classes: 10,
  batch: 16,
});

/** A vision transformer on 197 tokens, by either PyTorch exporter. */
const vit = (exporter: Exporter): BenchModel => ({
  ...encoder("vit", 6, 192, exporter),
  script: {
    file: "scripts/fixtures/export_encoder.py",
    args: ["--network", "vit", "--layers", "6", "--width", "192", "--exporter", exporter],
  },
  sample: [3, 224, 224],
});

const transformers = (["torchscript", "dynamo"] as const).flatMap((exporter) => [
  encoder("encoder-384x6", 6, 384, exporter),
  encoder("encoder-768x2", 2, 768, exporter),
  vit(exporter),
]);

export const benchModels: readonly BenchModel[] = [
  {
    name: "resnet20",
    path: "fixtures/resnet20/model.onnx",
    input: "input",
    sample: [1, 28, 28],
    classes: 10,
    batch: 128,
  },
  { ...resNetOfDepth(20), name: "resnet20-cifar", batch: 128 },
  {
    name: "resnet50",
    path: "build/models/resnet50.onnx",
    script: { file: "scripts/fixtures/export_resnet50.py" },
    ...imageNet,
    batch: 8,
  },
  {
    name: "mobilenetv2",
    path: "build/models/mobilenetv2.onnx",
    script: { file: "scripts/fixtures/export_mobilenetv2.py" },
    ...imageNet,
    batch: 16,
  },
  ...transformers,
];

export function benchModel(name: string): BenchModel {
  const model = benchModels.find((candidate) => candidate.name === name);
  if (model === undefined) throw new Error(`no benchmark model is called ${name}`);
  return model;
}
