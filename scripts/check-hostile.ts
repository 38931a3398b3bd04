/**
 * Runs `efqat inspect`, and `efqat quantize` where data fit, on every hostile model, each in a process of its own under
 * limits on time and memory, and prints what became of it: seconds, largest memory of all its processes, exit code, first
 * line. Fails where one is ended by a limit or a signal, exits with another code than 0, 3, 4 or 5, shows a stack trace
 * or a control character, or leaves a file behind. Run: npm run check:hostile [-- NAME ...]
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostileModels } from "../test/support/hostile/all.ts";
import type { HostileModel } from "../test/support/hostile/model.ts";
import { processTree } from "../test/support/process-tree.ts";

const limits = { seconds: 20, bytes: 2e9 };
const program = "dist/src/cli/main.js";
const pageBytes = 4096;

interface Outcome {
  seconds: number;
  bytes: number;
  /** Exit code, signal, or the limit that ended it. */
  end: string;
  output: string;
}

function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * pageBytes;
  } catch {
    return 0;
  }
}

/** Ends a process, which may have ended by itself meanwhile. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone.
  }
}

/** Runs the program; each of its processes may take `limits.bytes`. */
function runLimited(args: readonly string[], temporary: string): Promise<Outcome> {
  const start = performance.now();
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, TMPDIR: temporary, XDG_CACHE_HOME: temporary },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output = (output + text).slice(0, 20_000)));
  let [bytes, limit] = [0, ""];
  const watch = setInterval(() => {
    const pids = processTree(child.pid ?? 0);
    bytes = Math.max(bytes, ...pids.map(residentBytes));
    if (bytes > limits.bytes) limit = "memory";
    else if (performance.now() - start > limits.seconds * 1000) limit = "time";
    if (limit !== "") for (const pid of pids.reverse()) kill(pid);
  }, 20);
  return new Promise((resolve) => {
    child.on("close", (code, signal) => {
      clearInterval(watch);
      const end = limit === "" ? String(signal ?? code) : limit;
      resolve({ seconds: (performance.now() - start) / 1000, bytes, end, output });
    });
  });
}

/** What is wrong with an outcome, or undefined. */
function fault({ end, output }: Outcome, temporary: string): string | undefined {
  if (!["0", "3", "4", "5"].includes(end)) return `ended by ${end}`;
  if (/^ {4}at /m.test(output) || output.includes("[internal]")) return "a stack trace or an internal error";
  if (/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/.test(output)) return "control characters";
  const left = readdirSync(temporary).filter((name) => !/^(onnxruntime|efqat$)/.test(name));
  return left.length === 0 ? undefined : `left ${left.join(", ")}`;
}

/** Samples that fit a model, as a NumPy file. */
function writeSamples(file: string, shape: readonly number[]): void {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const padded = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11, " ");
  const head = Buffer.alloc(10);
  head.write("\u0093NUMPY\u0001\u0000", "latin1");
  head.writeUInt16LE(padded.length + 1, 8);
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1)).map((_, i) => Math.sin(i));
  writeFileSync(file, Buffer.concat([head, Buffer.from(`${padded}\n`), Buffer.from(values.buffer)]));
}

const digest = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

function report(
  command: string,
  { name }: HostileModel,
  outcome: Outcome,
  wrong: string | undefined,
): boolean {
  const line = outcome.output.split("\n").find((text) => /Error|Warning/.test(text)) ?? "";
  const columns = [
    command.padEnd(9),
    name.padEnd(36),
    `${outcome.seconds.toFixed(1).padStart(5)} s`,
    `${(outcome.bytes / 1e6).toFixed(0).padStart(5)} MB`,
    outcome.end.padStart(6),
    wrong === undefined ? line.slice(0, 150) : `WRONG: ${wrong}`,
  ];
  console.log(columns.join("  "));
  return wrong === undefined;
}

async function checkModel(model: HostileModel, folder: string): Promise<boolean> {
  const [file, temporary] = [join(folder, `${model.name}.onnx`), join(folder, "tmp")];
  mkdirSync(temporary, { recursive: true });
  model.beside?.(folder);
  writeFileSync(file, model.bytes());
  const before = digest(file);
  const inspected = await runLimited(["inspect", file, "--quiet"], temporary);
  let good = report("inspect", model, inspected, fault(inspected, temporary));
  if (model.data !== undefined) {
    const [samples, out] = [join(folder, "samples.npy"), join(folder, "out.onnx")];
    writeSamples(samples, model.data);
    const args = ["quantize", file, "--data", samples, "--labels", "none", "--batch", "4", "--out", out];
    const quantized = await runLimited([...args, "--quiet"], temporary);
    const half = readdirSync(folder).filter((name) => /^out\.onnx.+/.test(name));
    const wrong = half.length > 0 ? `left ${half.join(", ")}` : fault(quantized, temporary);
    good = report("quantize", model, quantized, wrong) && good;
    rmSync(out, { force: true });
  }
  if (digest(file) !== before) console.log(`${model.name}: WRONG: the model was changed`);
  else rmSync(file);
  return good;
}

const folder = mkdtempSync(join(tmpdir(), "efqat-check-hostile-"));
const wanted = process.argv.slice(2);
let wrong = 0;
try {
  for (const model of hostileModels)
    if (wanted.length === 0 || wanted.includes(model.name))
      wrong += (await checkModel(model, folder)) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(wrong === 0 ? "All ended well." : `${wrong} did not end well.`);
process.exitCode = wrong === 0 ? 0 : 1;
