import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { saveModel } from "../../src/onnx/index.ts";
import type { Model } from "../../src/ir/model.ts";
import type { PythonResult } from "../../src/importers/python-result.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { writeNpz } from "../support/write-numpy.ts";

/** What a Python that is none answers to one request, and the files that it leaves. */
export interface FakeAnswer {
  result?: PythonResult;
  model?: Model;
  /** Arrays by their place, for each feed. */
  feeds?: Tensor[][];
  expected?: Tensor[][];
  /** What is printed, and with which code it ends. */
  prints?: string;
  code?: number;
}

/**
 * An executable in `folder` that stands for Python: it gives its answers in turn, and keeps what it was asked as task-N.json
 * beside it.
 */
export async function fakePython(folder: string, answers: readonly FakeAnswer[]): Promise<string> {
  for (const [turn, { result, model, feeds = [], expected = [] }] of answers.entries()) {
    const files = join(folder, `answer-${turn}`);
    await mkdir(files, { recursive: true });
    if (result !== undefined) await writeFile(join(files, "result.json"), JSON.stringify(result));
    if (model !== undefined) await saveModel(model, join(files, "model.onnx"));
    for (const [number, tensors] of feeds.entries())
      await writeNpz(join(files, `feed-${number}.npz`), byPlace(tensors));
    for (const [number, tensors] of expected.entries())
      await writeNpz(join(files, `expected-${number}.npz`), byPlace(tensors));
  }
  const ends = answers.map(({ prints = "", code = 0 }) => ({ prints, code }));
  const path = join(folder, "python");
  await writeFile(path, script(folder, ends));
  await chmod(path, 0o755);
  return path;
}

const byPlace = (tensors: readonly Tensor[]): Record<string, Tensor> =>
  Object.fromEntries(tensors.map((tensor, place) => [String(place), tensor]));

const script = (folder: string, ends: unknown): string => `#!${process.execPath}
const { cpSync, existsSync, readFileSync, writeFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
if (process.argv[2] === "-c") process.exit(0);
const folder = ${JSON.stringify(folder)}, ends = ${JSON.stringify(ends)};
const turn = ends.findIndex((_, i) => !existsSync(join(folder, "task-" + i + ".json")));
writeFileSync(join(folder, "task-" + turn + ".json"), readFileSync(process.argv[3]));
cpSync(join(folder, "answer-" + turn), dirname(process.argv[3]), { recursive: true });
console.log(ends[turn].prints);
process.exit(ends[turn].code);
`;
