import { openCase, tunedRatio } from "./bench-case.ts";
import type { BenchModel } from "./bench-models.ts";
import { type Contestant, interleave, median } from "./interleave.ts";
import type { Arithmetic, BenchRun, StepRow } from "./results.ts";
import { openCostTimer } from "./time-cost.ts";
import { openStepTimer, type StepTimer } from "./time-steps.ts";
import { TorchPeer } from "./torch-peer.ts";
import { watchCores } from "./watch-cores.ts";

export interface Settings {
  arithmetics: readonly Arithmetic[];
  ratios: readonly number[];
  /** Budgets of the mode cost. */
  budgets: readonly number[];
  rounds: number;
  threads: number;
  torch: boolean;
}

export type Timings = Pick<BenchRun, "rows" | "forward" | "torch" | "others" | "times">;

/** Times the steps of a model whose cases were written, all in turn, beside PyTorch's where there is one. */
export async function timeModel(model: BenchModel, settings: Settings): Promise<Timings> {
  const { arithmetics, ratios, budgets, threads } = settings;
  const timers: { arithmetic: Arithmetic; timer: StepTimer }[] = [];
  const directories: string[] = [];
  for (const arithmetic of arithmetics) {
    for (const tuned of new Set(ratios.map(tunedRatio))) {
      const bench = await openCase(model, arithmetic, tuned);
      const own = ratios.filter((ratio) => tunedRatio(ratio) === tuned);
      directories.push(bench.directory);
      timers.push({ arithmetic, timer: await openStepTimer(bench, own, threads) });
    }
    for (const budget of budgets) {
      const bench = await openCase(model, arithmetic, tunedRatio(budget));
      timers.push({ arithmetic, timer: await openCostTimer(bench, budget, threads) });
    }
  }
  const peer = await startPeer(directories[0], settings);
  const started = await peer?.request("nothing");
  const othersShare = watchCores();
  const times = await interleave(
    [
      ...timers.flatMap(({ timer }) => [timer.forward, ...timer.steps.map(({ contestant }) => contestant)]),
      ...peerContestants(peer),
    ],
    settings.rounds,
    (round) => showRound(round, settings.rounds),
  );
  const ended = await peer?.request("nothing");
  const others = othersShare((ended?.processorMs ?? 0) - (started?.processorMs ?? 0));
  const of = (name: string): number => median(times.get(name) ?? []);
  const rows = timers.flatMap(({ arithmetic, timer }) => rowsOf(arithmetic, timer, of));
  for (const { timer } of timers) await timer.close();
  peer?.stop();
  const torch = peer &&
    ended && {
      version: peer.version,
      forward: of("torch forward"),
      step: of("torch step"),
      peakBytes: ended.peakBytes,
    };
  return {
    rows,
    forward: Object.fromEntries(
      arithmetics.map((arithmetic) => {
        const own = timers.find((each) => each.arithmetic === arithmetic);
        return [arithmetic, of(own?.timer.forward.name ?? "")];
      }),
    ),
    ...(torch === undefined ? {} : { torch }),
    others,
    times: Object.fromEntries(times),
  };
}

async function startPeer(
  first: string | undefined,
  { torch, threads }: Settings,
): Promise<TorchPeer | undefined> {
  if (first === undefined) throw new Error("--arithmetic names none of float, mixed, integer");
  const peer = torch ? await TorchPeer.start("torch_qat.py", [first], threads) : "not asked for";
  if (typeof peer !== "string") return peer;
  console.log(`  without PyTorch: ${peer}`);
  return undefined;
}

function peerContestants(peer: TorchPeer | undefined): Contestant[] {
  if (peer === undefined) return [];
  return (["forward", "step"] as const).map((what) => ({
    name: `torch ${what}`,
    once: async () => (await peer.request(what)).ms,
  }));
}

function rowsOf(arithmetic: Arithmetic, timer: StepTimer, of: (name: string) => number): StepRow[] {
  const forwardTime = of(timer.forward.name);
  return timer.steps.map(({ mode, ratio, contestant, parts }) => {
    const counted = parts.slice(1);
    return {
      arithmetic,
      mode,
      ratio,
      step: of(contestant.name),
      backward: median(counted.map((part) => part.training)) - forwardTime,
      overhead: median(counted.map((part) => part.step / part.sessions - 1)),
    };
  });
}

function showRound(round: number, rounds: number): void {
  process.stderr.write(`\r  round ${round} of ${rounds}${round === rounds ? "\n" : ""}`);
}
