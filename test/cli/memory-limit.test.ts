import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Report, reportSchema } from "../../src/report/report-data.ts";
import { runCli } from "./terminal.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-memory-limit-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** A bound from the shapes of ResNet-20 is above these, so that steps are taken to see. */
const [plenty, tooLittle] = ["590MB", "125MB"];

const command = (limit: string, ...more: string[]): string[] => [
  ...["artifact", "fixtures/resnet20/model.onnx", "--data", "fixtures/fashion-mnist", "--samples", "64"],
  ...["--batch", "64", "--algorithms", "estimate", "--threads", "1", "--memory-limit", limit],
  ...["--out", join(folder, "artifact"), ...more],
];

async function built(limit: string, ...more: string[]): Promise<NonNullable<Report["memory"]>> {
  const json = join(folder, "report.json");
  const { stderr, stdout, exitCode } = await runCli([...command(limit, ...more), "--json", json]);
  expect(stderr).not.toContain("Error");
  expect(exitCode).toBe(0);
  const { memory } = reportSchema.parse(JSON.parse(await readFile(json, "utf8")));
  expect(stdout).toContain(`Training with ${memory?.microBatch} samples at a time takes `);
  return memory!;
}

test("--memory-limit chooses the micro-batch by steps that it takes", async () => {
  const float = ["--forward", "float", "--backward", "float"];
  const whole = await built(plenty, ...float);
  expect(whole).toMatchObject({ microBatch: 64, measured: true, limitAsked: true });
  const limit = Math.floor((0.9 * whole.bytes) / 1000);
  const part = await built(`${limit}kB`, ...float);
  expect(part).toMatchObject({ microBatch: 32, measured: true, limitBytes: 1000 * limit });
  expect(part.bytes).toBeLessThanOrEqual(1000 * limit);
  const manifest = JSON.parse(await readFile(join(folder, "artifact/manifest.json"), "utf8")) as object;
  expect(manifest).toMatchObject({ batch: 32, accumulate: 2 });
});

test("a limit that one sample does not keep is refused", async () => {
  const refused = await runCli(command(tooLittle));
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain("Training takes more than 125 MB of memory with one sample at a time");
  const hopeless = await runCli(command("10MB"));
  expect(hopeless.exitCode).toBe(2);
  expect(hopeless.stderr).toMatch(/at least an estimated \d+ MB/);
});
