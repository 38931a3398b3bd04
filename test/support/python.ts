/**
 * Python as an oracle: tests compare with Python's onnx, onnxruntime or torch. The interpreter named by
 * EFQAT_PYTHON serves when it has the packages; else a virtual environment under build/ is made once, from PyPI.
 * Without network a test is skipped with the reason; with CI set it must not be skipped, so it fails.
 */
import { createHash } from "node:crypto";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import type { TestContext } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
/**
 * An interpreter that can import all `packages` (as pip names them, optionally with a version: "onnx==1.23.2"),
 * or undefined when there is none and none can be made here. With CI set, the failure is thrown instead.
 */
async function pythonOracle(packages: readonly string[]): Promise<string | undefined> {
  const given = process.env["EFQAT_PYTHON"];
  if (given !== undefined && (await canImport(given, packages))) return given;
  try {
    return await ensureEnvironment(packages);
  } catch (error) {
    if (process.env["CI"]) throw error;
    return undefined;
  }
}

/** The interpreter, or the test is reported as skipped with the reason. */
export async function requirePython(context: TestContext, packages: readonly string[]): Promise<string> {
  const python = await pythonOracle(packages);
  if (python === undefined)
    context.skip(`no Python with ${packages.join(", ")}, and none could be installed; set EFQAT_PYTHON`);
  return python;
}

/** Runs a Python script of the repository and returns what it printed. */
export async function runPython(
  python: string,
  script: string,
  args: readonly string[] = [],
): Promise<string> {
  const { stdout } = await execa(python, [path.resolve(root, script), ...args], {
    env: { PYTHONWARNINGS: "ignore" },
    maxBuffer: 2 ** 28,
  });
  return stdout;
}

/** Whether every package can be imported, in the version that is asked for. */
async function canImport(python: string, packages: readonly string[]): Promise<boolean> {
  const code = packages.flatMap((wanted) => {
    const [name = "", version] = wanted.split("==");
    const check = `assert version(${JSON.stringify(name)}) == ${JSON.stringify(version)}`;
    return [`import ${name.replaceAll("-", "_")}`, ...(version === undefined ? [] : [check])];
  });
  const script = ["from importlib.metadata import version", ...code].join("\n");
  const { failed } = await execa(python, ["-c", script], { reject: false });
  return !failed;
}

/** One environment per list of packages, made by the first test that asks; others wait for it. */
async function ensureEnvironment(packages: readonly string[]): Promise<string> {
  const wanted = [...packages].sort().join(" ");
  const key = createHash("sha256").update(wanted).digest("hex").slice(0, 12);
  const folder = path.join(root, "build", `venv-${key}`);
  const python = path.join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  if (await exists(path.join(folder, "ready"))) return python;
  await mkdir(path.join(root, "build"), { recursive: true });
  const lock = `${folder}.lock`;
  if (await takeLock(lock, path.join(folder, "ready"))) return python;
  try {
    await rm(folder, { recursive: true, force: true });
    await execa(process.env["EFQAT_PYTHON"] ?? "python3", ["-m", "venv", folder]);
    await execa(python, [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--disable-pip-version-check",
      ...pipArguments(packages),
    ]);
    if (!(await canImport(python, packages))) throw new Error(`installed, but cannot import ${wanted}`);
    await mkdir(path.join(folder, "ready.tmp"));
    await rename(path.join(folder, "ready.tmp"), path.join(folder, "ready"));
    return python;
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

/** torch comes from PyTorch's CPU index where that is asked for, which avoids the CUDA libraries. */
function pipArguments(packages: readonly string[]): string[] {
  const index = process.env["EFQAT_TORCH_INDEX"];
  const hasTorch = packages.some((name) => name === "torch" || name.startsWith("torch="));
  return hasTorch && index !== undefined ? [...packages, "--extra-index-url", index] : [...packages];
}

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );

/** Waits for the lock; true when meanwhile somebody else has finished the work. */
async function takeLock(lock: string, ready: string): Promise<boolean> {
  for (const start = Date.now(); ; await sleep(200)) {
    if (await exists(ready)) return true;
    const taken = await mkdir(lock).then(
      () => true,
      () => false,
    );
    if (taken) return false;
    const age = await stat(lock).then(
      (stats) => Date.now() - stats.mtimeMs,
      () => 0,
    );
    if (age > 600_000) await rm(lock, { recursive: true, force: true });
    if (Date.now() - start > 600_000) throw new Error(`waited ten minutes for ${lock}`);
  }
}
