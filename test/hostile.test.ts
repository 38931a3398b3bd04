import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../src/errors.ts";
import { inspect, loadModel, printModel, silentLogger } from "../src/index.ts";
import { isolateRuntime } from "../src/runtime/isolation/isolate.ts";
import { hostileModels } from "./support/hostile/all.ts";
import type { HostileModel } from "./support/hostile/model.ts";

let directory = "";
beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), "efqat-hostile-"))));
afterAll(() => rm(directory, { recursive: true, force: true }));

/** "ok", the code of the UserError, or what else was thrown. */
async function answerTo(model: HostileModel): Promise<string> {
  const file = join(directory, "model.onnx");
  await writeFile(file, model.bytes());
  model.beside?.(directory);
  try {
    printModel(await loadModel(file));
    const signal = new AbortController().signal;
    await inspect({ model: file, quantization: {} }, { logger: silentLogger, signal });
    return "ok";
  } catch (error) {
    if (error instanceof UserError && ["input", "environment"].includes(error.kind)) return error.code;
    return `not an error for users: ${String(error)}`;
  }
}

const seconds = 20;

/** What is wrong with the answers to `models`; one process of ONNX Runtime serves them all. */
const wrongAnswers = (models: readonly HostileModel[]): Promise<string[]> =>
  isolateRuntime(async () => {
    const wrong: string[] = [];
    for (const model of models) {
      const start = process.cpuUsage();
      const answer = await answerTo(model);
      const { user, system } = process.cpuUsage(start);
      if (answer !== (model.answer ?? answer) || answer.includes(" ")) wrong.push(`${model.name}: ${answer}`);
      if ((user + system) / 1e6 > seconds) wrong.push(`${model.name}: ${(user + system) / 1e6} s`);
    }
    return wrong;
  });

describe("models that mean harm are inspected, or refused with a reason", () => {
  const quick = hostileModels.filter(({ slow }) => slow !== true);

  test(`all ${quick.length} quick ones`, { timeout: 300_000 }, async () => {
    expect(await wrongAnswers(quick)).toEqual([]);
    const names = await readdir(directory);
    expect(names.filter((name) => /\.(tmp|lock|json)$/.test(name))).toEqual([]);
  });
});
