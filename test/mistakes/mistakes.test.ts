/**
 * Typical mistakes, each a row of data; more are welcome: add a row to one of the lists below, or a list of your own in a
 * file beside these and its name here. For every row, the command runs in this process on a fresh copy of the user's
 * folder, and: the exit code is the row's; the message says all that the row asks for, in one paragraph without a stack
 * trace; every file of the folder is as before, hashed, but for those that the row lets the command write; nothing is left
 * in the folder or in the temporary folder; and, unless the row is `late`, the error came before any work on samples.
 */
import { cpSync, mkdirSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { runCli } from "../cli/terminal.ts";
import { inputMistakes } from "./input-mistakes.ts";
import type { Mistake } from "./mistake.ts";
import { pathMistakes } from "./path-mistakes.ts";
import { preflightMistakes } from "./preflight-mistakes.ts";
import { digestFolder, makeUserFolder } from "./user-folder.ts";

const lists: Record<string, readonly Mistake[]> = {
  paths: pathMistakes,
  "command lines and data": preflightMistakes,
  inputs: inputMistakes,
};

/** Seconds within which an error must arrive on a machine that has other things to do. */
const patience = 15;

let original: string;
let scratch: string;
beforeAll(async () => {
  original = await makeUserFolder();
  scratch = await mkdtemp(join(tmpdir(), "efqat-mistakes-"));
  const temporary = join(scratch, "tmp");
  mkdirSync(temporary);
  vi.stubEnv("TMPDIR", temporary);
  vi.stubEnv("XDG_CACHE_HOME", join(scratch, "cache"));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  for (const folder of [original, scratch]) await rm(folder, { recursive: true, force: true });
});

const untouched = (digests: Record<string, string>, writes: readonly string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(digests).filter(([name]) => !writes.includes(name)));

describe.each(Object.entries(lists))("mistakes with %s", (_list, mistakes) => {
  test.each(mistakes.map((mistake) => [mistake.what, mistake] as const))("%s", async (what, mistake) => {
    const folder = join(scratch, what.replace(/\W+/g, "-"));
    cpSync(original, folder, { recursive: true });
    await mistake.before?.(folder);
    const before = digestFolder(folder);
    const started = performance.now();
    const words = mistake.line.split(" ").map((word) => word.replaceAll("@", folder));
    const { exitCode, stdout, stderr } = await runCli([...words, "--threads", "1"]);
    expect((performance.now() - started) / 1000).toBeLessThan(patience);
    const message = stderr.split("\n").findLast((line) => line.startsWith("Error [")) ?? stderr;
    for (const said of mistake.says) {
      if (typeof said === "string") expect(message).toContain(said.replaceAll("@", folder));
      else expect(message).toMatch(said);
    }
    expect({ exitCode, stdout }).toEqual({ exitCode: mistake.exitCode, stdout: "" });
    expect(stderr).not.toMatch(/^\s+at /m);
    const { writes = [] } = mistake;
    expect(untouched(digestFolder(folder), writes)).toEqual(untouched(before, writes));
    // The TypeScript loader of child processes keeps its own folder.
    expect(readdirSync(join(scratch, "tmp")).filter((name) => !name.startsWith("tsx-"))).toEqual([]);
    if (mistake.late !== true) expect(stderr).not.toMatch(/^(calibrate|train|evaluate|verify)\w* \d/m);
    await rm(folder, { recursive: true, force: true });
  });
});
