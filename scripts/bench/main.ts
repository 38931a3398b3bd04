/**
 * npm run bench [-- --models resnet20,resnet50 --rounds 7 --threads 2 --no-torch --json FILE]
 *
 * Times training steps, interleaved in one run, and prints them as ratios: against this project's own full QAT
 * (r = 1), and against PyTorch QAT with learned scales where Python has torch (EFQAT_PYTHON names the interpreter).
 */
import { execa } from "execa";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BenchCase, benchModels, prepareCase } from "./bench-case.ts";
import { type Contestant, interleave, median } from "./interleave.ts";
import { openStepTimer } from "./time-steps.ts";
import { TorchPeer } from "./torch-peer.ts";

const ratios = [1, 0.5, 0.25, 0.1, 0.05, 0];

const { values: options } = parseArgs({
  options: {
    models: { type: "string", default: benchModels.map(({ name }) => name).join(",") },
    rounds: { type: "string", default: "7" },
    threads: { type: "string", default: "2" },
    torch: { type: "boolean", default: true },
    json: { type: "string" },
  },
  allowNegative: true,
});
const rounds = Number(options.rounds);
const threads = Number(options.threads);

const results: Record<string, unknown> = {};
for (const name of options.models.split(",")) {
  const model = benchModels.find((candidate) => candidate.name === name);
  if (model === undefined) throw new Error(`no benchmark model is called ${name}`);
  console.log(
    `\n${name}, batch ${model.batch} of ${model.sample.join("x")}, W8A8, ${threads} threads, ${rounds} rounds`,
  );
  const bench = await prepareCase(model);
  if (typeof bench === "string") {
    console.log(`  left out: ${bench}`);
    continue;
  }
  const torch = options.torch ? await TorchPeer.start(bench.directory, threads) : "not asked for";
  if (typeof torch === "string") console.log(`  without PyTorch: ${torch}`);
  results[name] = await timeModel(bench, typeof torch === "string" ? undefined : torch);
  if (typeof torch !== "string") torch.stop();
}
if (options.json !== undefined) {
  await mkdir(dirname(options.json), { recursive: true });
  await writeFile(options.json, JSON.stringify({ rounds, threads, results }, null, 2));
}

async function timeModel(bench: BenchCase, torch: TorchPeer | undefined): Promise<unknown> {
  const timer = await openStepTimer(bench, ratios, threads);
  const contestants: Contestant[] = [timer.forward, ...timer.steps.map(({ contestant }) => contestant)];
  if (torch !== undefined) {
    for (const what of ["forward", "step"] as const)
      contestants.push({ name: `torch ${what}`, once: async () => (await torch.request(what)).ms });
  }
  const times = await interleave(contestants, rounds, (round) =>
    process.stderr.write(`\r  round ${round} of ${rounds}${round === rounds ? "\n" : ""}`),
  );
  await timer.close();
  const of = (name: string): number => median(times.get(name) ?? []);
  const forward = of("forward");
  const rows = timer.steps.map(({ ratio, contestant, parts }) => {
    const counted = parts.slice(1);
    const training = median(counted.map((part) => part.training));
    const sessions = median(counted.map((part) => part.sessions));
    const overhead = median(counted.map((part) => part.step / part.sessions - 1));
    return { ratio, step: of(contestant.name), training, sessions, backward: training - forward, overhead };
  });
  const full = rows.find(({ ratio }) => ratio === 1);
  if (full === undefined) throw new Error("the ratios must hold 1");
  const torchStep = torch === undefined ? undefined : of("torch step");
  printSteps(rows, forward, full, torchStep);
  const memory = await measureMemory(bench, torch);
  return { forward, rows, torch: torchStep && { step: torchStep, forward: of("torch forward") }, memory };
}

function printSteps(
  rows: readonly { ratio: number; step: number; backward: number; overhead: number }[],
  forward: number,
  full: { step: number; backward: number },
  torchStep: number | undefined,
): void {
  const cell = (text: string): string => text.padStart(12);
  console.log(
    `  forward ${forward.toFixed(0)} ms${torchStep === undefined ? "" : `, PyTorch QAT step ${torchStep.toFixed(0)} ms`}`,
  );
  console.log(
    `  ${["r", "backward ms", "x of r=1", "step ms", "x of r=1", "x of torch", "in JS"].map(cell).join("")}`,
  );
  for (const { ratio, step, backward, overhead } of rows) {
    const cells = [
      String(ratio),
      backward.toFixed(0),
      `${(full.backward / backward).toFixed(2)}x`,
      step.toFixed(0),
      `${(full.step / step).toFixed(2)}x`,
      torchStep === undefined ? "-" : `${(torchStep / step).toFixed(2)}x`,
      `${(overhead * 100).toFixed(1)} %`,
    ];
    console.log(`  ${cells.map(cell).join("")}`);
  }
}

/** Peak memory of a process that only trains, ours at r = 0.25 and PyTorch's. */
async function measureMemory(
  bench: BenchCase,
  torch: TorchPeer | undefined,
): Promise<Record<string, number>> {
  const script = fileURLToPath(new URL("memory-child.ts", import.meta.url));
  const child = await execa(process.execPath, [
    "--import",
    "tsx",
    script,
    bench.model.name,
    "0.25",
    String(threads),
  ]);
  const peaks: Record<string, number> = {
    ours: (JSON.parse(child.stdout) as { peakBytes: number }).peakBytes,
  };
  if (torch !== undefined) peaks["torch"] = (await torch.request("peak")).peakBytes;
  const text = Object.entries(peaks).map(([who, bytes]) => `${who} ${(bytes / 1e9).toFixed(2)} GB`);
  console.log(`  peak memory of the training process, r = 0.25: ${text.join(", ")}`);
  return peaks;
}
