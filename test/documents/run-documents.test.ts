import { copyFile, cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../cli/terminal.ts";
import { argumentsOf, commandsOf, documents } from "./read-documents.ts";
import { placeFiles, writeWorld } from "./user-world.ts";

/** Commands that are not run here, and why. */
const leftOut: [line: RegExp, why: string][] = [
  [/^efqat from-(torch|hf) /, "needs PyTorch: test/importers/real-python.test.ts runs one of each"],
  [
    /^efqat from-tf /,
    "needs TensorFlow: test/importers/import-model.test.ts runs it with a Python that is none",
  ],
  [/^efqat doctor/, "tries every provider for minutes: test/workflows/doctor.test.ts runs it"],
  [/^efqat zoo worker|EFQAT_ZOO_QUEUE/, "needs Redis: test/zoo/queue.test.ts runs it"],
  [/SLURM_ARRAY_TASK_ID|^efqat zoo merge/, "needs the shards of a job array: test/zoo/run.test.ts runs both"],
  [/^efqat zoo diff/, "needs two runs: test/zoo/results.test.ts runs it"],
  [/--resume/, "needs a run that was stopped: test/mistakes/interruptions.test.ts stops one"],
  [/--queue/, "needs Redis: test/zoo/queue.test.ts runs it"],
];

/** Commands that end with another code than 0 here, since what they ask of a trained model random weights do not give. */
const ends: [line: RegExp, codes: number[]][] = [[/--fail-under/, [0, 6]]];

const repository = process.cwd();
// The changelog is history: its commands are looked at in test/docs-commands.test.ts alone.
const lines = new Map(
  documents
    .filter((file) => file !== "CHANGELOG.md")
    .flatMap((file) => commandsOf(file).map((line) => [line, file] as const)),
);

describe("commands of the documents run, on small models and data", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "efqat-documents-"));
    await cp("fixtures", join(folder, "fixtures"), { recursive: true });
    process.chdir(folder);
    await writeWorld(repository);
    const made = [
      "efqat quantize model.onnx --data samples.npz --out pictures.int8.onnx",
      "efqat quantize grey.onnx --data fashion-mnist --out quantized.onnx",
      "efqat quantize reader.onnx --data lines.npz --out reader.int8.onnx",
      "efqat artifact grey.onnx --data fashion-mnist --out artifact/",
      "efqat calibrate model.onnx --data samples.npz --out stats.json",
      "efqat encodings model.int8.onnx --out model.encodings",
      "efqat zoo run models/",
    ];
    for (const line of made) {
      await placeFiles(line);
      const { exitCode, stderr } = await runCli(argumentsOf(line));
      expect(exitCode, `${line}\n${stderr}`).toBe(0);
    }
    for (const half of ["a.json", "b.json"]) await copyFile("stats.json", half);
  }, 300_000);
  afterAll(async () => {
    process.chdir(repository);
    await rm(folder, { recursive: true, force: true });
  });

  test.for([...lines])("%s (%s)", async ([line], context) => {
    const why = leftOut.find(([of]) => of.test(line))?.[1];
    if (why !== undefined) context.skip(why);
    await placeFiles(line);
    const { exitCode, stderr } = await runCli(argumentsOf(line));
    const codes = ends.find(([of]) => of.test(line))?.[1] ?? [0];
    expect(codes, stderr).toContain(exitCode);
  });
});
