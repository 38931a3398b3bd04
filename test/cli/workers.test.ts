import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Report, reportSchema } from "../../src/report/report-data.ts";
import { checkTrainOptions, defaultTrainOptions } from "../../src/training/train-options.ts";
import { makeUserFolder } from "../mistakes/user-folder.ts";
import { runCli } from "./terminal.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await makeUserFolder();
});
afterAll(() => rm(folder, { recursive: true }));

const data = (): string[] => ["--data", at("s.npy"), "--labels", at("l.npy"), "--threads", "2"];

async function reportOf(line: readonly string[]): Promise<{ report: Report; stderr: string }> {
  const { stderr, exitCode } = await runCli([...line, "--json", at("report.json")]);
  expect(stderr).not.toContain("Error");
  expect(exitCode).toBe(0);
  return { report: reportSchema.parse(JSON.parse(await readFile(at("report.json"), "utf8"))), stderr };
}

test("optimize divides the batch for the workers, whose memory counts together, and trains as one process", async () => {
  const optimize = (name: string): string[] => [
    ...["optimize", at("m.onnx"), ...data(), "--out", at(name), "--epochs", "4", "--batch", "8"],
    ...["--algorithms", "estimate", "--wbits", "4", "--lr", "0.05"],
  ];
  const { report, stderr } = await reportOf([...optimize("two.onnx"), "--workers", "2"]);
  expect(stderr).not.toContain("Training takes");
  expect(report.training).toMatchObject({ batch: 8, microBatch: 4, workers: { count: 2 } });
  const one = await reportOf([...optimize("one.onnx"), "--micro-batch", "4"]);
  expect(one.report.training?.workers).toBeUndefined();
  expect(report.memory?.bytes).toBe(2 * (one.report.memory?.bytes ?? NaN));
  expect(report.training?.history).toEqual(one.report.training?.history);
  expect(report.training?.validation).toEqual(one.report.training?.validation);
});

test("train takes the number from a configuration file, too, and says where workers wait for each other", async () => {
  const size = ["--batch", "12", "--micro-batch", "4", "--algorithms", "estimate"];
  await reportOf(["artifact", at("m.onnx"), ...data(), "--out", at("thirds"), ...size]);
  await writeFile(at("efqat.yaml"), "workers: 2\nepochs: 1\n");
  const { report, stderr } = await reportOf(["train", at("thirds"), ...data(), "--config", at("efqat.yaml")]);
  expect(report.training?.workers?.count).toBe(2);
  expect(stderr).toContain("2 workers do not share a step's 3 runs evenly, so that some do 2");
});

test("several workers are refused on a device that they would share, before anything is read", async () => {
  for (const provider of ["webgpu", "cuda:device=1"]) {
    const line = ["optimize", at("missing.onnx"), "--data", at("s.npy"), "--out", at("none.onnx")];
    const run = await runCli([...line, "--workers", "2", "--provider", provider]);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain("[usage/workers]");
    expect(run.stderr).toContain(`on ${provider} they would take turns on one device`);
  }
  expect(() => checkTrainOptions({ ...defaultTrainOptions, workers: 2, provider: "cuda" })).toThrow(
    /take turns/,
  );
  expect(() => checkTrainOptions({ ...defaultTrainOptions, workers: 2, provider: "cpu" })).not.toThrow();
  expect(() => checkTrainOptions({ ...defaultTrainOptions, provider: "cuda" })).not.toThrow();
});
