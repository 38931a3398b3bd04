import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { expect, test } from "vitest";
import { runCli } from "../cli/terminal.ts";
import { writeLayer } from "./small-zoo.ts";
import { compiledPath } from "../support/compiled.ts";

test("a run that is killed goes on with the same command; what was done is not done again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "efqat-kill-"));
  for (const name of ["a", "b"]) await writeLayer(folder, name, name.charCodeAt(0));
  const out = join(folder, "out");
  const args = ["zoo", "run", folder, "--samples", "8", "--jobs", "1", "--out", out];
  const run = execa(process.execPath, [compiledPath("src/cli/main.ts"), ...args], { reject: false });
  const done = (): string[] =>
    existsSync(join(out, "jobs"))
      ? readdirSync(join(out, "jobs")).filter((name) => existsSync(join(out, "jobs", name, "result.json")))
      : [];
  while (done().length === 0) await sleep(50);
  run.kill("SIGKILL");
  await run;
  expect(done()).toHaveLength(1);
  const rest = await runCli(args);
  expect(rest.stderr.match(/^started \w+/gm)).toEqual(["started b"]);
  expect(rest.stdout).toContain("2 of 2 jobs done, 0 failed, 0 left");
  const left = readdirSync(out, { recursive: true, encoding: "utf8" });
  expect(left.filter((name) => /\.tmp$|efqat-lock/.test(name))).toEqual([]);
  await rm(folder, { recursive: true });
});
