import { execa } from "execa";
import { expect, test } from "vitest";
import { compiledPath } from "../support/compiled.ts";

const efqat = (args: string[], env: Record<string, string> = {}) =>
  execa(process.execPath, [compiledPath("src/cli/main.ts"), ...args], { reject: false, env });

test("the program: report on stdout, errors on stderr, exit code set; EFQAT_STACK adds the stack", async () => {
  const version = await efqat(["--version"]);
  expect(version).toMatchObject({ exitCode: 0, stderr: "" });
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+$/);
  const missing = await efqat(["inspect", "gone.onnx"]);
  expect(missing).toMatchObject({ exitCode: 3, stdout: "" });
  expect(missing.stderr).not.toMatch(/^\s+at /m);
  expect((await efqat(["inspect", "gone.onnx"], { EFQAT_STACK: "1" })).stderr).toMatch(/^\s+at /m);
});
