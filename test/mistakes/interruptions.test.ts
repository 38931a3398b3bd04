/**
 * Runs that end before their time, as processes of their own: killed, stopped by Ctrl-C once and twice, on a full disk or
 * with a limit on the size of files. Each time the user's files stay as they were, nothing is left that the next run does
 * not go on from or remove, and the message says what happened and what to do.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { runCli } from "../cli/terminal.ts";
import { digestFolder, makeUserFolder } from "./user-folder.ts";
import { processesOf, processTree, tellsProcessTrees } from "../support/process-tree.ts";
import { compiledPath } from "../support/compiled.ts";

let original: string;
let scratch: string;
beforeAll(async () => {
  original = await makeUserFolder();
  scratch = await mkdtemp(join(tmpdir(), "efqat-interruptions-"));
  vi.stubEnv("XDG_CACHE_HOME", join(scratch, "cache"));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  for (const folder of [original, scratch]) await rm(folder, { recursive: true, force: true });
});

async function userFolder(name: string): Promise<string> {
  const folder = join(scratch, name);
  await cp(original, folder, { recursive: true });
  return folder;
}

const program = [compiledPath("src/cli/main.ts")];
const samples = (folder: string): string[] => [
  ...["--data", join(folder, "s.npy"), "--labels", join(folder, "l.npy"), "--threads", "1"],
];
/** Training that takes minutes, or not. */
const optimize = (folder: string, epochs = "20000"): string[] => [
  ...["optimize", join(folder, "m.onnx"), ...samples(folder), "--out", join(folder, "q.onnx")],
  ...["--batch", "8", "--epochs", epochs, "--algorithms", "estimate"],
];

interface Run {
  child: ChildProcess;
  text: () => string;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** `detached`: as a terminal does, in a process group of its own. */
function start(args: readonly string[], detached = false): Run {
  const child = spawn(process.execPath, [...program, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    detached,
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const ended = new Promise<Awaited<Run["ended"]>>((resolve) =>
    child.once("close", (code, signal) => resolve({ code, signal })),
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, text: () => text, ended };
}

async function until(run: Run, pattern: RegExp): Promise<void> {
  while (!pattern.test(run.text())) {
    if (run.child.exitCode !== null) throw new Error(`ended before ${pattern}: ${run.text()}`);
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

/** What a run of optimize adds to the folder by name, its first parts only. */
function added(folder: string, before: Record<string, string>): string[] {
  const after = digestFolder(folder);
  for (const [name, digest] of Object.entries(before)) expect([name, after[name]]).toEqual([name, digest]);
  const fresh = Object.keys(after).filter((name) => !(name in before));
  return [...new Set(fresh.map((name) => name.split("/")[0] as string))].sort();
}

describe("optimize", () => {
  test("killed before the first checkpoint: --resume starts over, and nothing of the killed run is left", async () => {
    const folder = await userFolder("killed-early");
    const before = digestFolder(folder);
    const run = start(optimize(folder));
    await until(run, /calibrating|Building/);
    run.child.kill("SIGKILL");
    await run.ended;
    expect(added(folder, before)).toEqual([".q.onnx.efqat-lock", "q.onnx.artifact"]);
    const resumed = await runCli([...optimize(folder, "1"), "--resume"]);
    expect(resumed.stderr).toContain("Warning: The run has no checkpoint yet");
    expect(resumed.exitCode).toBe(0);
    expect(added(folder, before)).toEqual(["q.onnx"]);
  });

  test("stopped while it trains: --resume or --restart is asked for, and both work", async () => {
    const folder = await userFolder("stopped");
    const before = digestFolder(folder);
    const run = start(optimize(folder));
    await until(run, /^train \d/m);
    run.child.kill("SIGINT");
    expect((await run.ended).code).toBe(130);
    expect(run.text()).toMatch(/Error \[interrupted\/training\].*interrupted after \d+ steps.*--resume/);
    expect(added(folder, before)).toEqual(["q.onnx.artifact"]);
    const again = await runCli(optimize(folder));
    expect(again.exitCode).toBe(2);
    expect(again.stderr).toMatch(/interrupted there after \d+ of \d+ steps.*--resume.*--restart/);
    const restarted = await runCli([...optimize(folder, "1"), "--restart"]);
    expect(restarted.exitCode).toBe(0);
    expect(added(folder, before)).toEqual(["q.onnx"]);
  });

  test("Ctrl-C twice ends it at once; while it runs, a second run on its output is refused", async () => {
    const folder = await userFolder("twice");
    const before = digestFolder(folder);
    const run = start(optimize(folder));
    await until(run, /^train \d/m);
    const second = await runCli([
      "quantize",
      join(folder, "m.onnx"),
      ...samples(folder),
      "--out",
      join(folder, "q.onnx"),
    ]);
    expect(second.exitCode).toBe(4);
    expect(second.stderr).toMatch(
      new RegExp(`"efqat optimize", process ${run.child.pid} on .*Wait until it has ended`),
    );
    const pressed = performance.now();
    run.child.kill("SIGINT");
    await until(run, /once more to quit at once/);
    run.child.kill("SIGINT");
    expect((await run.ended).code).toBe(130);
    expect(performance.now() - pressed).toBeLessThan(5000);
    expect(added(folder, before)).toEqual(["q.onnx.artifact"]);
    const resumed = await runCli([...optimize(folder), "--resume"], { signal: AbortSignal.timeout(3000) });
    expect(resumed.exitCode).toBe(130);
  });

  const inPairs = (folder: string, workers = 2): string[] => [...optimize(folder), "--workers", `${workers}`];
  const workersOf = ({ child }: Run): number[] => processesOf("workers/worker.", child.pid);

  test.runIf(tellsProcessTrees)(
    "Ctrl-C of the terminal ends all workers; the run goes on with another number of them",
    async () => {
      const folder = await userFolder("workers-stopped");
      const before = digestFolder(folder);
      const run = start(inPairs(folder), true);
      await until(run, /^train \d/m);
      const workers = workersOf(run);
      expect(workers).toHaveLength(1);
      process.kill(-(run.child.pid as number), "SIGINT");
      expect((await run.ended).code).toBe(130);
      expect(run.text()).toMatch(/Error \[interrupted\/training\]/);
      expect(workers.flatMap(processTree)).toEqual([]);
      expect(added(folder, before)).toEqual(["q.onnx.artifact"]);
      const many = await runCli([...inPairs(folder, 4), "--resume"]);
      expect(many.exitCode).toBe(2);
      expect(many.stderr).toContain("4 workers cannot share a step, which has 2 runs");
      const alone = await runCli([...optimize(folder), "--resume"], { signal: AbortSignal.timeout(3000) });
      expect(alone.exitCode).toBe(130);
    },
  );

  test.runIf(tellsProcessTrees)("a killed worker ends the run, which says so and can go on", async () => {
    const folder = await userFolder("worker-killed");
    const before = digestFolder(folder);
    const run = start(inPairs(folder));
    await until(run, /^train \d/m);
    process.kill(workersOf(run)[0] as number, "SIGKILL");
    expect((await run.ended).code).toBe(4);
    expect(run.text()).toMatch(
      /Error \[environment\/worker\]: Worker 2 of 2 \(process \d+\) ended by signal SIGKILL .*--resume/,
    );
    expect(run.text()).toContain("What was trained is kept in");
    expect(added(folder, before)).toEqual(["q.onnx.artifact"]);
    const resumed = await runCli([...inPairs(folder), "--resume"], { signal: AbortSignal.timeout(3000) });
    expect(resumed.exitCode).toBe(130);
  });

  test("a folder of the user's in the way of its own is left alone", async () => {
    const folder = await userFolder("in-the-way");
    mkdirSync(join(folder, "q.onnx.artifact"));
    writeFileSync(join(folder, "q.onnx.artifact/diary.txt"), "dear diary");
    const before = digestFolder(folder);
    const run = await runCli(optimize(folder, "1"));
    expect(run.exitCode).toBe(0);
    expect(added(folder, before)).toEqual(["q.onnx"]);
  });
});

describe("no room", () => {
  test("under a limit on the size of files, the output that was there stays, and no other file", async (context) => {
    if (process.platform === "win32") return context.skip("ulimit is a command of POSIX shells");
    const folder = await userFolder("limit");
    writeFileSync(join(folder, "q.onnx"), "the result of last week");
    const before = digestFolder(folder);
    const args = ["quantize", join(folder, "m.onnx"), ...samples(folder), "--out", join(folder, "q.onnx")];
    const script = 'trap "" XFSZ; ulimit -f 2; exec "$0" "$@"';
    const run = spawn("sh", ["-c", script, process.execPath, ...program, ...args], {
      // Files of the TypeScript loader are under the limit, too; what it has compiled already it reads.
      stdio: ["ignore", "ignore", "pipe"],
    });
    let text = "";
    run.stderr.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    const code = await new Promise((resolve) => run.once("close", resolve));
    expect(text).toMatch(
      /Error \[environment\/disk-full\].*\(.*q\.onnx\)\. Free some space or choose another folder/,
    );
    expect(code).toBe(4);
    expect(digestFolder(folder)).toEqual(before);
  });

  /** A disk of this size, if this process may make one. */
  function smallDisk(name: string, size: string): string | undefined {
    const folder = join(scratch, name);
    mkdirSync(folder);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder], { stdio: "ignore" });
    } catch {
      return undefined;
    }
    onTestFinished(() => void execFileSync("umount", ["-l", folder]));
    return folder;
  }

  test("a full disk is said, with what to do; the report of it goes elsewhere", async (context) => {
    const folder = await userFolder("full");
    const disk = smallDisk("disk", "16k");
    if (disk === undefined) return context.skip("no small disk can be mounted here");
    writeFileSync(join(disk, "q.onnx"), Buffer.alloc(6000, 1));
    const before = digestFolder(disk);
    const out = ["--out", join(disk, "q.onnx"), "--json", join(folder, "r.json")];
    const run = await runCli(["quantize", join(folder, "m.onnx"), ...samples(folder), ...out]);
    expect(run.stderr).toMatch(/Error \[environment\/disk-full\].*q\.onnx/);
    expect(run.exitCode).toBe(4);
    expect(digestFolder(disk)).toEqual(before);
    expect(JSON.parse(readFileSync(join(folder, "r.json"), "utf8"))).toMatchObject({
      command: "quantize",
      error: { code: "environment/disk-full", where: join(disk, "q.onnx"), exitCode: 4 },
    });
  });

  test("a disk that can only be read is found before anything starts", async (context) => {
    const folder = await userFolder("read-only");
    const disk = smallDisk("read-only-disk", "1m");
    if (disk === undefined) return context.skip("no small disk can be mounted here");
    execFileSync("mount", ["-o", "remount,ro", disk]);
    const run = await runCli([
      "quantize",
      join(folder, "m.onnx"),
      ...samples(folder),
      "--out",
      join(disk, "q.onnx"),
    ]);
    expect(run.stderr).toMatch(/The disk is read-only.*q\.onnx.*another folder/);
    expect(run.stderr).not.toMatch(/Reading/);
    expect(run.exitCode).toBe(4);
  });

  test.each(["missing", "full"])("a %s folder for temporary files is exit 4", async (kind) => {
    const folder = await userFolder(`temporary-${kind}`);
    const before = digestFolder(folder);
    const place = kind === "missing" ? join(folder, "note.txt/tmp") : smallDisk("temporary-disk", "12k");
    if (place === undefined) return;
    if (kind === "full") writeFileSync(join(place, "filling"), Buffer.alloc(8000, 1));
    vi.stubEnv("TMPDIR", place);
    const args = ["quantize", join(folder, "m.onnx"), ...samples(folder), "--out", join(folder, "q.onnx")];
    const run = await runCli(args).finally(() => vi.stubEnv("TMPDIR", tmpdir()));
    expect(run.stderr).toMatch(/Error \[environment\/temporary-folder\].*TMPDIR/);
    expect(run.exitCode).toBe(4);
    expect(digestFolder(folder)).toEqual(before);
    if (kind === "full")
      expect(readdirSync(place).filter((name) => !name.startsWith("tsx-"))).toEqual(["filling"]);
  });
});
