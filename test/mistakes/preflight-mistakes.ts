import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { encodeNpy } from "../support/write-numpy.ts";
import type { Mistake } from "./mistake.ts";

const put = (name: string, bytes: Uint8Array | string) => (folder: string) =>
  writeFileSync(join(folder, name), bytes);
const floats = (dims: number[], value = (index: number) => Math.sin(index)): Uint8Array =>
  encodeNpy(
    tensorOf(
      "float32",
      dims,
      Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => value(i)),
    ),
  );
const labels = (values: number[], dims = [values.length]): Uint8Array =>
  encodeNpy(tensorOf("int64", dims, BigInt64Array.from(values, BigInt)));

const data = "--data @/s.npy --labels @/l.npy";
const out = "--out @/o.onnx";
const optimize = `optimize @/m.onnx ${data} ${out}`;

/** What is typed wrongly. */
const typing: Mistake[] = [
  { what: "an unknown command", line: "optimise @/m.onnx", exitCode: 2, says: ["Did you mean optimize?"] },
  {
    what: "no command",
    line: `@/m.onnx ${data}`,
    exitCode: 2,
    says: ["command comes first: efqat optimize"],
  },
  {
    what: "nothing but the command",
    line: "optimize",
    exitCode: 2,
    says: ["Missing: MODEL", "--data, --out"],
  },
  {
    what: "a misspelt option",
    line: `${optimize} --epohcs 3`,
    exitCode: 2,
    says: ["--epohcs", "mean --epochs?"],
  },
  {
    what: "an option of other tools",
    line: `${optimize} --batch-size 3`,
    exitCode: 2,
    says: ["mean --batch?"],
  },
  {
    what: "an option of another command",
    line: `quantize @/m.onnx ${data} ${out} --lr 1`,
    exitCode: 2,
    says: ["belongs to efqat optimize"],
  },
  { what: "a single dash", line: `${optimize} -seed 3`, exitCode: 2, says: ["mean --seed?"] },
  {
    what: "an unknown choice",
    line: `${optimize} --mode cwpm`,
    exitCode: 2,
    says: ['"cwpm"', "Did you mean cwpl?"],
  },
  { what: "no value", line: `${optimize} --seed`, exitCode: 2, says: ["--seed needs a value"] },
  {
    what: "two models",
    line: `${optimize} @/ext.onnx`,
    exitCode: 2,
    says: ["ext.onnx", "one argument too many"],
  },
];

/** What can be known of options before any work. */
const options: Mistake[] = [
  {
    what: "an unknown provider",
    line: `${optimize} --provider gpu`,
    exitCode: 4,
    says: ['"gpu"', "--provider cpu"],
  },
  {
    what: "more held out than there is",
    line: `${optimize} --val 48`,
    exitCode: 3,
    says: ["hold out 48 of 48", "--val"],
  },
  {
    what: "a batch beyond the samples",
    line: `${optimize} --batch 64`,
    exitCode: 3,
    says: ["takes 64 samples", "smaller --batch"],
  },
  {
    what: "labels that are asked for and not there",
    line: `optimize @/m.onnx --data @/s.npy ${out} --loss cross-entropy`,
    exitCode: 2,
    says: ["compares with labels", "--loss auto"],
  },
  {
    what: "a warm-up as long as the run",
    line: `${optimize} --warmup 1`,
    exitCode: 2,
    says: ["--warmup", "below 1"],
  },
  {
    what: "no worker",
    line: `${optimize} --workers 0`,
    exitCode: 2,
    says: ["--workers", "at least 1"],
  },
  {
    what: "more workers than samples in a batch",
    line: `${optimize} --batch 4 --workers 8`,
    exitCode: 2,
    says: ["8 workers cannot share a step", "4 runs", "larger --batch"],
  },
  {
    what: "more workers than micro-batches",
    line: `${optimize} --batch 8 --micro-batch 4 --workers 4`,
    exitCode: 2,
    says: [
      "4 workers cannot share a step",
      "2 runs of the training graph on 4 samples",
      "--micro-batch of at most 2",
    ],
  },
  {
    what: "too little memory for one sample",
    line: `${optimize} --memory-limit 20MB`,
    exitCode: 2,
    says: ["Training takes at least", "--memory-limit"],
  },
  {
    what: "a portable backward on integer kernels",
    line: `${optimize} --portable --backward integer`,
    exitCode: 2,
    says: ["com.microsoft", "Leave one"],
  },
  {
    what: "an excluded node that is not there",
    line: `${optimize} --exclude-nodes conv9`,
    exitCode: 2,
    says: ["conv9"],
  },
  {
    what: "nothing left to train",
    line: `artifact @/m.onnx ${data} --out @/new --exclude-ops Conv,Gemm,MatMul`,
    exitCode: 3,
    says: ["nothing to train", "efqat quantize"],
  },
  {
    what: "an artifact that is not there",
    line: `train @/gone ${data}`,
    exitCode: 3,
    says: ["@/gone", "efqat artifact"],
  },
  {
    what: "a model for an artifact",
    line: `train @/m.onnx ${data}`,
    exitCode: 3,
    says: ["@/m.onnx", "efqat artifact"],
  },
  {
    what: "training on too few samples",
    line: `train @/art ${data} --val 45`,
    exitCode: 3,
    says: ["takes 8 samples", "--val"],
  },
  {
    what: "workers for an artifact whose steps are one run each",
    line: `train @/art ${data} --workers 2`,
    exitCode: 2,
    says: ["2 workers cannot share a step", "one run", "--micro-batch of at most 4"],
  },
  {
    what: "training without the labels that the artifact needs",
    line: "train @/art --data @/s.npy",
    exitCode: 3,
    says: ["compares with labels", "--labels none"],
  },
];

/** What is wrong with the data. */
const samples: Mistake[] = [
  {
    what: "data that are not there",
    line: `quantize @/m.onnx --data @/gone.npz ${out}`,
    exitCode: 3,
    says: ["@/gone.npz", "no such file"],
  },
  {
    what: "a table under another name",
    line: `quantize @/m.onnx --data @/a.dat ${out}`,
    before: put("a.dat", "a,b\n1,2\n"),
    exitCode: 3,
    says: ["CSV", ".csv"],
  },
  {
    what: "a table without the columns that the model takes",
    line: `quantize @/m.onnx --data @/a.csv ${out}`,
    before: put("a.csv", "name\nann\n"),
    exitCode: 3,
    says: ["the columns name", "--columns"],
  },
  {
    what: "an address",
    line: `quantize @/m.onnx --data https://example.org/x.npy ${out}`,
    exitCode: 3,
    says: ["URL", "Download"],
  },
  {
    what: "a picture",
    line: `quantize @/m.onnx --data @/images/a/0.png ${out}`,
    exitCode: 3,
    says: ["picture", "folder"],
  },
  {
    what: "the model as data",
    line: `quantize @/m.onnx --data @/ext.onnx ${out}`,
    exitCode: 3,
    says: ["ONNX model"],
  },
  {
    what: "samples of another shape",
    line: `quantize @/m.onnx --data @/w.npy ${out}`,
    before: put("w.npy", floats([4, 1, 9, 9])),
    exitCode: 3,
    says: ["[4, 1, 9, 9]", "@/w.npy"],
  },
  {
    what: "channels that stand last, said to stand first",
    line: `quantize @/m.onnx --data @/w.npy --layout nchw ${out}`,
    before: put("w.npy", floats([4, 8, 8, 1])),
    exitCode: 3,
    says: ["with their channels moved", "--layout nhwc"],
  },
  {
    what: "NaN in the first sample",
    line: `quantize @/m.onnx --data @/w.npy ${out}`,
    before: put(
      "w.npy",
      floats([4, 1, 8, 8], (i) => (i === 5 ? NaN : 1)),
    ),
    exitCode: 3,
    says: ["Sample 0 holds NaN", "@/w.npy"],
  },
  {
    what: "NaN in a later sample",
    line: `quantize @/m.onnx --data @/w.npy ${out}`,
    before: put(
      "w.npy",
      floats([4, 1, 8, 8], (i) => (i === 200 ? NaN : 1)),
    ),
    exitCode: 3,
    says: ["Sample 3 holds NaN", "@/w.npy"],
  },
  {
    what: "NaN in a sample that calibration does not read",
    line: `optimize @/m.onnx --data @/w.npy --labels none --samples 4 --batch 4 ${out}`,
    before: put(
      "w.npy",
      floats([64, 1, 8, 8], (i) => (i === 40 * 64 ? NaN : 1)),
    ),
    exitCode: 3,
    says: ["Sample 40 holds NaN", "@/w.npy"],
  },
  {
    what: "labels out of range",
    line: `quantize @/m.onnx --data @/s.npy --labels @/k.npy ${out}`,
    before: put("k.npy", labels(Array.from({ length: 48 }, (_, i) => i))),
    exitCode: 3,
    says: ["sample 3 is 3", "--labels none"],
  },
  {
    what: "too few labels",
    line: `quantize @/m.onnx --data @/s.npy --labels @/k.npy ${out}`,
    before: put("k.npy", labels([0, 1])),
    exitCode: 3,
    says: ["2 labels for 48 samples"],
  },
  {
    what: "scores for labels",
    line: `quantize @/m.onnx --data @/s.npy --labels @/k.npy ${out}`,
    before: put("k.npy", floats([48, 3])),
    exitCode: 3,
    says: ["[48, 3]", "argmax"],
  },
  {
    what: "a labels file of another kind",
    line: `quantize @/m.onnx --data @/s.npy --labels @/note.txt ${out}`,
    exitCode: 3,
    says: ["text", "not a file of labels", "@/note.txt"],
  },
  {
    what: "test data of another shape",
    line: `${optimize} --test @/w.npy`,
    before: put("w.npy", floats([4, 1, 9, 9])),
    exitCode: 3,
    says: ["[4, 1, 9, 9]", "@/w.npy"],
  },
  {
    what: "test data that are not there",
    line: `${optimize} --test @/gone.npy`,
    exitCode: 3,
    says: ["@/gone.npy"],
  },
  {
    what: "an empty folder",
    line: `quantize @/m.onnx --data @/empty ${out}`,
    exitCode: 3,
    says: ["no samples", "@/empty"],
  },
  {
    what: "a folder without the split",
    line: `quantize @/m.onnx --data @/parts --split test ${out}`,
    before: (folder) => void mkdirSync(join(folder, "parts/train/a"), { recursive: true }),
    exitCode: 3,
    says: ["no folder for the test split", "train", "--split"],
  },
  {
    what: "a reference of another shape",
    line: `evaluate @/m.onnx ${data} --reference @/trained/eval_model.onnx`,
    exitCode: 2,
    says: ["reference model", "--reference"],
  },
  {
    what: "images for a model that takes them smaller",
    line: `quantize @/m.onnx --data @/images --resize 4 ${out}`,
    exitCode: 3,
    says: ["4x4", "8x8", "--resize"],
  },
];

/** Places that cannot be written. */
const places: Mistake[] =
  process.getuid?.() === 0
    ? []
    : [
        {
          what: "a folder without permission to write",
          line: `quantize @/m.onnx ${data} --out @/empty/o.onnx`,
          before: (folder) => chmodSync(join(folder, "empty"), 0o555),
          exitCode: 4,
          says: ["@/empty", "permissions"],
        },
      ];

export const preflightMistakes: readonly Mistake[] = [...typing, ...options, ...samples, ...places];
