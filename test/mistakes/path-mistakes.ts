import { execFileSync } from "node:child_process";
import { linkSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Mistake } from "./mistake.ts";

const data = "--data @/s.npy --labels @/l.npy";

/** Outputs that would destroy what the user has. */
const overwriting: Mistake[] = [
  {
    what: "the report of inspect is the model",
    line: "inspect @/m.onnx --json @/m.onnx",
    exitCode: 2,
    says: ["--json would overwrite the input model", "(@/m.onnx)", "Give --json another path"],
  },
  {
    what: "the HTML report is the model",
    line: "inspect @/m.onnx --html @/m.onnx",
    exitCode: 2,
    says: ["--html would overwrite the input model", "(@/m.onnx)"],
  },
  {
    what: "the output is the model",
    line: `quantize @/m.onnx ${data} --out @/m.onnx`,
    exitCode: 2,
    says: ["--out would overwrite the input model", "(@/m.onnx)", "another path"],
  },
  {
    what: "the output is the model, spelt otherwise",
    line: `optimize @/m.onnx ${data} --out @/empty/../m.onnx`,
    exitCode: 2,
    says: ["--out would overwrite the input model"],
  },
  {
    what: "the output is a link to the model",
    line: `quantize @/m.onnx ${data} --out @/link.onnx`,
    before: (folder) => symlinkSync("m.onnx", join(folder, "link.onnx")),
    exitCode: 2,
    says: ["--out would overwrite the input model", "(@/link.onnx)"],
  },
  {
    what: "the output is a hard link of the model",
    line: `quantize @/m.onnx ${data} --out @/hard.onnx`,
    before: (folder) => linkSync(join(folder, "m.onnx"), join(folder, "hard.onnx")),
    exitCode: 2,
    says: ["--out would overwrite the input model", "(@/hard.onnx)"],
  },
  {
    what: "the output lies in a link to the model's folder",
    line: `quantize @/m.onnx ${data} --out @/here/m.onnx`,
    before: (folder) => symlinkSync(".", join(folder, "here")),
    exitCode: 2,
    says: ["--out would overwrite the input model", "(@/here/m.onnx)"],
  },
  {
    what: "the output is the model's external data",
    line: `quantize @/ext.onnx ${data} --out @/ext.onnx.data`,
    exitCode: 2,
    says: ["--out would overwrite the input model's external data", "(@/ext.onnx.data)", "another path"],
  },
  {
    what: "the report is the model's external data",
    line: "inspect @/ext.onnx --json @/ext.onnx.data",
    exitCode: 2,
    says: ["--json would overwrite the input model's external data", "(@/ext.onnx.data)"],
  },
  {
    what: "the output is the samples",
    line: `quantize @/m.onnx ${data} --out @/s.npy`,
    exitCode: 2,
    says: ["--out would overwrite the data", "(@/s.npy)"],
  },
  {
    what: "the output is the labels",
    line: `quantize @/m.onnx ${data} --out @/l.npy`,
    exitCode: 2,
    says: ["--out would overwrite the labels", "(@/l.npy)"],
  },
  {
    what: "the report is the test data",
    line: `quantize @/m.onnx ${data} --test @/t.npy --out @/q.onnx --json @/t.npy`,
    before: (folder) => linkSync(join(folder, "s.npy"), join(folder, "t.npy")),
    exitCode: 2,
    says: ["--json would overwrite the data", "(@/t.npy)"],
  },
  {
    what: "the report is the reference model",
    line: `evaluate @/m.onnx ${data} --reference @/ext.onnx --json @/ext.onnx`,
    exitCode: 2,
    says: ["--json would overwrite the reference model", "(@/ext.onnx)"],
  },
  {
    what: "the report is an image of the data",
    line: "quantize @/m.onnx --data @/images --out @/q.onnx --json @/images/a/1.png",
    exitCode: 2,
    says: ["--json would overwrite a file of the data", "(@/images/a/1.png)"],
  },
  {
    what: "the artifact goes where its model is",
    line: `artifact @/art/float_model.onnx ${data} --out @/art`,
    exitCode: 2,
    says: ["--out would overwrite the input model", "float_model.onnx)", "Give --out another path"],
  },
  {
    what: "what is exported is the artifact's own model",
    line: `export @/trained ${data} --out @/trained/float_model.onnx`,
    exitCode: 2,
    says: ["--out would overwrite the artifact's float_model.onnx"],
  },
  {
    what: "the report of export is the trained state",
    line: `export @/trained ${data} --out @/q.onnx --json @/trained/run/best.safetensors`,
    exitCode: 2,
    says: ["--json would overwrite the trained state", "best.safetensors"],
  },
  {
    what: "the report of train is the manifest",
    line: `train @/art ${data} --json @/art/manifest.json`,
    exitCode: 2,
    says: ["--json would overwrite the artifact's manifest.json"],
  },
  {
    what: "the artifact goes into the folder of the user's own files",
    line: `artifact @/m.onnx ${data} --out @`,
    exitCode: 2,
    says: ["--out names a folder that holds other files", "(@)", "a new or an empty folder"],
  },
  {
    what: "the kept artifact goes among the user's images",
    line: `optimize @/m.onnx ${data} --out @/q.onnx --artifact @/images`,
    exitCode: 2,
    says: ["--artifact names a folder that holds other files", "(@/images)", "a new or an empty folder"],
  },
];

/** Outputs that get into each other's way, or cannot be written. */
const colliding: Mistake[] = [
  {
    what: "the report is the output",
    line: `quantize @/m.onnx ${data} --out @/q.onnx --json @/q.onnx`,
    exitCode: 2,
    says: ["--out and --json are the same file", "(@/q.onnx)", "a path of its own"],
  },
  {
    what: "both reports are one file",
    line: "inspect @/m.onnx --json @/r --html @/empty/../r",
    exitCode: 2,
    says: ["--json and --html are the same file", "a path of its own"],
    writes: ["r"],
  },
  {
    what: "both reports are one new file through a link that leads nowhere yet",
    line: "inspect @/m.onnx --json @/r.json --html @/link",
    before: (folder) => symlinkSync("r.json", join(folder, "link")),
    exitCode: 2,
    says: ["--json and --html are the same file"],
    writes: ["r.json"],
  },
  {
    what: "a report would lie in the output",
    line: `quantize @/m.onnx ${data} --out @/q.onnx --json @/q.onnx/r.json`,
    exitCode: 2,
    says: ["--out and --json cannot both be", "a path of its own"],
  },
  {
    what: "the output is a folder",
    line: `quantize @/m.onnx ${data} --out @/empty`,
    exitCode: 2,
    says: ["--out names a folder", "(@/empty)", "the path of a file, such as @/empty/"],
  },
  {
    what: "the output is a folder that does not exist, by its slash",
    line: `optimize @/m.onnx ${data} --out @/new/`,
    exitCode: 2,
    says: ["--out names a folder", "(@/new/)", "the path of a file"],
  },
  {
    what: "the output needs a folder where a file is",
    line: `quantize @/m.onnx ${data} --out @/note.txt/q.onnx`,
    exitCode: 4,
    says: ["A part of the path is a file", "(@/note.txt/q.onnx)", "another path"],
  },
  {
    what: "the output needs a folder where the model is",
    line: `quantize @/m.onnx ${data} --out @/m.onnx/q.onnx`,
    exitCode: 2,
    says: ["--out needs a folder where the input model is a file", "another path"],
  },
  {
    what: "the output is a device",
    line: `quantize @/m.onnx ${data} --out /dev/null`,
    exitCode: 2,
    says: ["--out names a device", "(/dev/null)", "the path of a file"],
  },
  {
    what: "a report is a pipe",
    line: "inspect @/m.onnx --json @/pipe",
    before: (folder) => void execFileSync("mkfifo", [join(folder, "pipe")]),
    exitCode: 2,
    says: ["--json names a pipe", "(@/pipe)", "the path of a file"],
  },
  {
    what: "the artifact is a file",
    line: `artifact @/m.onnx ${data} --out @/note.txt`,
    exitCode: 2,
    says: ["--out names a file, not a folder", "(@/note.txt)", "the path of a folder"],
  },
  {
    what: "the output exists and must not be replaced",
    line: `quantize @/m.onnx ${data} --out @/note.txt --no-clobber`,
    exitCode: 2,
    says: ["--out names a file that exists", "(@/note.txt)", "--no-clobber"],
  },
  {
    what: "a report exists and must not be replaced",
    line: "inspect @/m.onnx --json @/r.json --no-clobber",
    before: (folder) => writeFileSync(join(folder, "r.json"), ""),
    exitCode: 2,
    says: ["--json names a file that exists", "(@/r.json)", "--no-clobber"],
  },
  {
    what: "the output lies where nothing can be written",
    line: `quantize @/m.onnx ${data} --out /proc/efqat/q.onnx`,
    exitCode: 4,
    says: ["folder cannot be made", "(/proc/efqat)", "another folder"],
  },
  {
    what: "the output lies in a folder that takes no files",
    line: `quantize @/m.onnx ${data} --out /proc/q.onnx`,
    exitCode: 4,
    says: [/cannot be written|does not exist/, "(/proc/q.onnx)"],
  },
  {
    what: "another run writes to the output",
    line: `quantize @/m.onnx ${data} --out @/q.onnx`,
    before: (folder) => {
      const holder = {
        pid: process.ppid,
        host: hostname(),
        start: "",
        id: "other",
        since: "2030-01-01T10:00:00Z",
      };
      const text = JSON.stringify({ ...holder, command: "efqat optimize" });
      writeFileSync(join(folder, ".q.onnx.efqat-lock"), text);
    },
    exitCode: 4,
    says: [
      /Another run \("efqat optimize", process \d+ on .*, since 2030/,
      "(@/q.onnx)",
      "Wait until it has ended",
    ],
  },
  {
    what: "another run trains the artifact",
    line: `train @/art ${data}`,
    before: (folder) => {
      const holder = { pid: 1, host: "elsewhere", start: "", id: "other", since: "2030-01-01T10:00:00Z" };
      writeFileSync(join(folder, "art/.efqat-lock"), JSON.stringify({ ...holder, command: "efqat train" }));
    },
    exitCode: 4,
    says: [/Another run \("efqat train", process 1 on elsewhere/, "(@/art)", "remove @/art/.efqat-lock"],
  },
];

/** Runs that were begun before. */
const repeating: Mistake[] = [
  {
    what: "train on what is trained already",
    line: `train @/trained ${data}`,
    exitCode: 2,
    says: [/A run of \d+ steps was made there already/, "(@/trained)", "--resume", "--restart"],
  },
  {
    what: "build an artifact over a trained one",
    line: `artifact @/m.onnx ${data} --out @/trained`,
    exitCode: 2,
    says: [/A run of \d+ steps/, "(@/trained)", "--restart"],
  },
  {
    what: "optimize over a kept artifact that is trained",
    line: `optimize @/m.onnx ${data} --out @/q.onnx --artifact @/trained`,
    exitCode: 2,
    says: [/A run of \d+ steps/, "(@/trained)", "--resume", "--restart"],
  },
  {
    what: "resume and restart at once",
    line: `train @/trained ${data} --resume --restart`,
    exitCode: 2,
    says: ["--resume goes on from a run that --restart throws away", "Leave one of them out"],
  },
  {
    what: "resume where nothing was begun",
    line: `optimize @/m.onnx ${data} --out @/q.onnx --resume`,
    exitCode: 2,
    says: ["no interrupted run", "(@/q.onnx.artifact)", "without --resume"],
  },
];

/** Inputs that are not there. */
const missing: Mistake[] = [
  {
    what: "a model that does not exist, with a report",
    line: "inspect @/gone.onnx --json @/r.json --html @/r.html",
    exitCode: 3,
    says: ["does not exist", "(@/gone.onnx)", "Check the path"],
    writes: ["r.json", "r.html"],
  },
  {
    what: "an artifact that does not exist",
    line: `train @/gone ${data}`,
    exitCode: 3,
    says: ["not a training artifact", "@/gone/manifest.json", "efqat artifact"],
  },
  {
    what: "a folder that is no artifact",
    line: `train @/images ${data}`,
    exitCode: 3,
    says: ["not a training artifact", "manifest.json", "efqat artifact"],
  },
  {
    what: "an artifact that is not trained",
    line: `export @/art ${data} --out @/q.onnx`,
    exitCode: 3,
    says: ["has not been trained yet", "(@/art)", "efqat train"],
  },
  {
    what: "samples that do not exist",
    line: "quantize @/m.onnx --data @/gone.npy --out @/q.onnx",
    exitCode: 3,
    says: ["@/gone.npy"],
  },
];

export const pathMistakes: readonly Mistake[] = [...overwriting, ...colliding, ...repeating, ...missing];
