import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Mistake } from "./mistake.ts";

const data = "--data @/s.npy --labels @/l.npy";
const quantize = (rest: string): string => `quantize @/m.onnx ${rest} --out @/q.onnx`;

/** A module of samples that fails once the output is written beside its place, which is when it is verified. */
const failingLate = `
  import { readdirSync } from "node:fs";
  const written = () => readdirSync(new URL(".", import.meta.url)).some((name) => /^\\.q\\.onnx\\..*\\.tmp$/.test(name));
  export default {
    length: 48,
    read(indices) {
      if (written()) throw new Error("the disk of the samples is gone");
      return { inputs: { x: { data: new Float32Array(64 * indices.length).fill(1), dims: [indices.length, 1, 8, 8] } } };
    },
  };`;

/** Models that cannot be used. */
const models: Mistake[] = [
  {
    what: "a model that is a text",
    line: "inspect @/note.txt",
    exitCode: 3,
    says: ["(@/note.txt"],
  },
  {
    what: "a model that was not copied to its end",
    line: `quantize @/cut.onnx ${data} --out @/q.onnx`,
    before: (folder) => {
      writeFileSync(join(folder, "cut.onnx"), readFileSync(join(folder, "m.onnx")));
      truncateSync(join(folder, "cut.onnx"), 900);
    },
    exitCode: 3,
    says: ["(@/cut.onnx"],
  },
  {
    what: "a model without its external data",
    line: `quantize @/ext.onnx ${data} --out @/q.onnx`,
    before: (folder) => rmSync(join(folder, "ext.onnx.data")),
    exitCode: 3,
    says: ["ext.onnx.data", "missing", "Copy it to @"],
  },
  {
    what: "a model whose external data were cut",
    line: `quantize @/ext.onnx ${data} --out @/q.onnx`,
    before: (folder) => truncateSync(join(folder, "ext.onnx.data"), 100),
    exitCode: 3,
    says: ["ext.onnx.data", "truncated", "copy it again"],
  },
  {
    what: "a folder for a model",
    line: "inspect @/images",
    exitCode: 3,
    says: ["The path is not a file", "(@/images)", "an .onnx file"],
  },
  {
    what: "a manifest that somebody edited",
    line: `train @/art ${data}`,
    before: (folder) => appendFileSync(join(folder, "art/manifest.json"), "}"),
    exitCode: 3,
    says: ["The manifest is not JSON", "art/manifest.json", "Build the artifact again"],
  },
];

/** Data that fail late. */
const samples: Mistake[] = [
  {
    what: "samples that fail while the output is verified",
    line: quantize("--data @/failing.mjs"),
    before: (folder) => {
      writeFileSync(join(folder, "failing.mjs"), failingLate);
      writeFileSync(join(folder, "q.onnx"), "the result of last week");
    },
    exitCode: 3,
    says: ["the disk of the samples is gone", "failing.mjs"],
    late: true,
  },
];

/** Reports of errors that come before anything is read. */
const options: Mistake[] = [
  {
    what: "a wrong number, with a report of it",
    line: quantize(`${data} --samples none --json @/r.json`),
    exitCode: 2,
    says: ['--samples is "none"'],
    writes: ["r.json"],
  },
  {
    what: "a wrong number, with the model as its report",
    line: quantize(`${data} --samples none --json @/m.onnx`),
    exitCode: 2,
    says: ['--samples is "none"'],
  },
];

export const inputMistakes: readonly Mistake[] = [...models, ...samples, ...options];
