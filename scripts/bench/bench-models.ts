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
  /** Layers on the longest way through it, where networks of several depths are compared. */
  depth?: number;
}

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
];

export function benchModel(name: string): BenchModel {
  const model = benchModels.find((candidate) => candidate.name === name);
  if (model === undefined) throw new Error(`no benchmark model is called ${name}`);
  return model;
}
