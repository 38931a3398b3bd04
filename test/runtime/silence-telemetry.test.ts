import { mkdtemp, mkdir, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Loads a model in a process with a home and a temporary folder of its own, and lists what is left in them. */
async function leftBehind(load: string): Promise<string[]> {
  const [home, temporary] = [join(folder, "home"), join(folder, "tmp")];
  for (const each of [home, temporary]) await mkdir(each);
  const env = { HOME: home, XDG_CACHE_HOME: join(home, ".cache"), TMPDIR: temporary };
  // The environment of the test workers may have the variable already; on machines of CI, ONNX Runtime is silent by itself.
  const { ORT_DISABLE_TELEMETRY: _set, CI: _ci, ...inherited } = process.env;
  const program = `${load}; await session.release();`;
  await execa(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program], {
    env: { ...inherited, ...env },
    extendEnv: false,
  });
  const left = await readdir(folder, { recursive: true, withFileTypes: true });
  // tsx keeps what it compiled.
  return left.filter((each) => each.isFile() && !each.parentPath.includes("tsx-")).map(({ name }) => name);
}

const model = JSON.stringify("fixtures/resnet20/model.onnx");

test("ONNX Runtime leaves nothing in the home or temporary folder", async () => {
  const load = `import { Session } from "./src/runtime/session.ts"; const session = await Session.create(${model})`;
  expect(await leftBehind(load)).toEqual([]);
});

test.runIf(process.platform === "linux")("which it does without efqat's setting", async () => {
  const load = `import ort from "onnxruntime-node"; const session = await ort.InferenceSession.create(${model})`;
  expect((await leftBehind(load)).length).toBeGreaterThan(0);
});
