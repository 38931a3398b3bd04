import { type BenchCase, openCase } from "./bench-case.ts";
import type { BenchModel } from "./bench-models.ts";
import { type Contestant, interleave, median } from "./interleave.ts";
import type { BenchRun, Forward, StepRow } from "./results.ts";
import { openStepTimer, type StepTimer } from "./time-steps.ts";
import { TorchPeer } from "./torch-peer.ts";
import { watchCores } from "./watch-cores.ts";

export interface Settings {
  forwards: readonly Forward[];
  ratios: readonly number[];
  rounds: number;
  threads: number;
  torch: boolean;
}

export type Timings = Pick<BenchRun, "rows" | "forward" | "torch" | "others" | "times">;

/** Times the steps of a model whose cases were written, all in turn, beside PyTorch's where there is one. */
export async function timeModel(model: BenchModel, settings: Settings): Promise<Timings> {
  const cases = await Promise.all(settings.forwards.map((forward) => openCase(model, forward)));
  const peer = await startPeer(cases, settings);
  const timers: { forward: Forward; timer: StepTimer }[] = [];
  for (const each of cases)
    timers.push({
      forward: each.forward,
      timer: await openStepTimer(each, settings.ratios, settings.threads),
    });
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
  const rows = timers.flatMap(({ forward, timer }) => rowsOf(forward, timer, of));
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
    forward: Object.fromEntries(timers.map(({ forward, timer }) => [forward, of(timer.forward.name)])),
    ...(torch === undefined ? {} : { torch }),
    others,
    times: Object.fromEntries(times),
  };
}

async function startPeer(
  [first]: readonly BenchCase[],
  { torch, threads }: Settings,
): Promise<TorchPeer | undefined> {
  if (first === undefined) throw new Error("--forwards names none of float, integer");
  const peer = torch ? await TorchPeer.start(first.directory, threads) : "not asked for";
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

function rowsOf(forward: Forward, timer: StepTimer, of: (name: string) => number): StepRow[] {
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

function showRound(round: number, rounds: number): void {
  process.stderr.write(`\r  round ${round} of ${rounds}${round === rounds ? "\n" : ""}`);
}
