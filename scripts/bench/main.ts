/**
 * npm run bench [-- --models resnet20,resnet50,mobilenetv2 --forwards float,integer --ratios 1,0.5,0.25,0.1,0.05,0 --rounds 7
 *                   --threads 2 --no-torch --json FILE]
 *
 * Times training steps, interleaved in one run, and prints them as ratios: against this project's own full QAT
 * (r = 1, float forward), and against PyTorch QAT with learned scales where Python has torch (EFQAT_PYTHON names the
 * interpreter). Backward is the training graph's time less that of its own forward.
 */
import { execa } from "execa";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BenchModel, benchModels, type Forward, forwards, openCase, writeCases } from "./bench-case.ts";
import { type Contestant, interleave, median } from "./interleave.ts";
import { openStepTimer, type StepTimer } from "./time-steps.ts";
import { TorchPeer } from "./torch-peer.ts";

const { values: options } = parseArgs({
  options: {
    models: { type: "string", default: benchModels.map(({ name }) => name).join(",") },
    forwards: { type: "string", default: forwards.join(",") },
    ratios: { type: "string", default: "1,0.5,0.25,0.1,0.05,0" },
    rounds: { type: "string", default: "7" },
    threads: { type: "string", default: "2" },
    torch: { type: "boolean", default: true },
    json: { type: "string" },
  },
  allowNegative: true,
});
const rounds = Number(options.rounds);
const threads = Number(options.threads);
const ratios = options.ratios.split(",").map(Number);
const chosen = forwards.filter((forward) => options.forwards.split(",").includes(forward));

/** Medians in milliseconds of one forward's steps at one ratio. */
interface Row {
  forward: Forward;
  ratio: number;
  step: number;
  backward: number;
  /** What of a step the sessions do not take, as a share of what they take. */
  overhead: number;
}

const results: Record<string, unknown> = {};
for (const name of options.models.split(",")) {
  const model = benchModels.find((candidate) => candidate.name === name);
  if (model === undefined) throw new Error(`no benchmark model is called ${name}`);
  const what = `batch ${model.batch} of ${model.sample.join("x")}, W8A8, ${threads} threads, ${rounds} rounds`;
  console.log(`\n${name}, ${what}`);
  const reason = await writeCases(model, chosen);
  if (reason === undefined) results[name] = await timeModel(model);
  else console.log(`  left out: ${reason}`);
}
if (options.json !== undefined) {
  await mkdir(dirname(options.json), { recursive: true });
  await writeFile(options.json, JSON.stringify({ rounds, threads, results }, null, 2));
}

async function timeModel(model: BenchModel): Promise<unknown> {
  const cases = await Promise.all(chosen.map((forward) => openCase(model, forward)));
  const [first] = cases;
  if (first === undefined) throw new Error("--forwards names none of float, integer");
  const torch = options.torch ? await TorchPeer.start(first.directory, threads) : "not asked for";
  if (typeof torch === "string") console.log(`  without PyTorch: ${torch}`);
  const peer = typeof torch === "string" ? undefined : torch;
  const timers: { forward: Forward; timer: StepTimer }[] = [];
  for (const each of cases)
    timers.push({ forward: each.forward, timer: await openStepTimer(each, ratios, threads) });
  const contestants: Contestant[] = timers.flatMap(({ timer }) => [
    timer.forward,
    ...timer.steps.map(({ contestant }) => contestant),
  ]);
  if (peer !== undefined)
    for (const what of ["forward", "step"] as const)
      contestants.push({ name: `torch ${what}`, once: async () => (await peer.request(what)).ms });
  const times = await interleave(contestants, rounds, (round) =>
    process.stderr.write(`\r  round ${round} of ${rounds}${round === rounds ? "\n" : ""}`),
  );
  const of = (name: string): number => median(times.get(name) ?? []);
  const rows = timers.flatMap(({ forward, timer }) => rowsOf(forward, timer, of));
  for (const { timer } of timers) await timer.close();
  const forwardTimes = timers.map(({ timer }) => ({ name: timer.forward.name, ms: of(timer.forward.name) }));
  if (peer !== undefined)
    for (const what of ["forward", "step"])
      forwardTimes.push({ name: `torch ${what}`, ms: of(`torch ${what}`) });
  console.log(`  ${forwardTimes.map(({ name, ms }) => `${name} ${ms.toFixed(0)} ms`).join(", ")}`);
  printSteps(rows, peer === undefined ? undefined : of("torch step"));
  const memory = await measureMemory(model, peer);
  peer?.stop();
  return { times: Object.fromEntries(times), rows, memory };
}

function rowsOf(forward: Forward, timer: StepTimer, of: (name: string) => number): Row[] {
  const forwardTime = of(timer.forward.name);
  return timer.steps.map(({ ratio, contestant, parts }) => {
    const counted = parts.slice(1);
    return {
      ...{ forward, ratio, step: of(contestant.name) },
      backward: median(counted.map((part) => part.training)) - forwardTime,
      overhead: median(counted.map((part) => part.step / part.sessions - 1)),
    };
  });
}

function printSteps(rows: readonly Row[], torchStep: number | undefined): void {
  const full = rows.find(({ ratio, forward }) => ratio === 1 && forward === chosen[0]);
  const times = (base: number | undefined, own: number): string =>
    base === undefined ? "-" : `${(base / own).toFixed(2)}x`;
  const line = (cells: readonly string[]): void =>
    console.log(`  ${cells.map((cell) => cell.padStart(12)).join("")}`);
  line(["forward", "r", "backward ms", "x of full", "step ms", "x of full", "x of torch", "in JS"]);
  for (const { forward, ratio, step, backward, overhead } of rows) {
    const own = [
      backward.toFixed(0),
      times(full?.backward, backward),
      step.toFixed(0),
      times(full?.step, step),
    ];
    line([forward, String(ratio), ...own, times(torchStep, step), `${(overhead * 100).toFixed(1)} %`]);
  }
}

/** Peak memory of processes that only train, ours at r = 0.25 and PyTorch's. */
async function measureMemory(
  { name }: BenchModel,
  torch: TorchPeer | undefined,
): Promise<Record<string, number>> {
  const script = fileURLToPath(new URL("memory-child.ts", import.meta.url));
  const peaks: Record<string, number> = {};
  for (const forward of chosen) {
    const run = [script, name, forward, "0.25", String(threads)];
    const child = await execa(process.execPath, ["--import", "tsx", ...run]);
    peaks[forward] = (JSON.parse(child.stdout) as { peakBytes: number }).peakBytes;
  }
  if (torch !== undefined) peaks["torch"] = (await torch.request("peak")).peakBytes;
  const text = Object.entries(peaks).map(([who, bytes]) => `${who} ${(bytes / 1e9).toFixed(2)} GB`);
  console.log(`  peak memory of the training process, r = 0.25: ${text.join(", ")}`);
  return peaks;
}
