import type { Node } from "../../ir/model.ts";
import { windowProblemOf } from "../../ops/gradient-nodes.ts";
import { elementCount } from "../../tensor/tensor.ts";

/** Share of the expected training time that trials may take. */
const trialShare = 0.1;

/** About what a machine does per millisecond: multiply-adds in float, and floats moved. It need not be this one, see below. */
const [macsPerMs, floatsPerMs] = [30e6, 0.6e6];
/** Milliseconds that a variant costs beside its runs: building, loading. */
const loadingMs = 30;
/** Runs that a trial takes of each variant, and how many times as long as the guess the others take, about. */
const [runsEach, slower] = [8, 1.5];
/** Between two runs so many floats are written, so that operands lie in memory as within a step. */
export const flushedFloats = 2 ** 24;

/**
 * Whether a trial of a gradient node costs little against what the node takes in a whole training run. It goes by shapes
 * and nominal speeds alone: so the same command always tries the same nodes, and a machine that is slower or busier than
 * assumed is so for training, too.
 * `runs`: of the training graph; `count`: nodes of this kind; `variants`: ways to compute it.
 */
export function isWorthATrial(
  node: Node,
  { runs, count, variants, ratio }: { runs: number; count: number; variants: number; ratio: number },
): boolean {
  const each = nominalTime(node, ratio);
  const flush = flushedFloats / floatsPerMs / 4;
  const trial = variants * (loadingMs + runsEach * (slower * each + flush));
  return trial <= trialShare * runs * count * each;
}

/** Milliseconds of a convolution's gradient on the assumed machine, with a share of the rows trained. */
function nominalTime(node: Node, ratio: number): number {
  const { x, y, kernel, group } = windowProblemOf(node);
  const share = node.opType === "ConvWeightGrad" ? ratio : 1;
  const macs = share * elementCount(y) * ((x[1] as number) / group) * elementCount(kernel);
  return macs / macsPerMs + (elementCount(x) + share * elementCount(y)) / floatsPerMs;
}

/** Runs of each of two training graphs, and their loading in runs, that a race of arithmetics takes. */
const [runsOfRace, loadingRuns] = [8, 3];

/** Whether racing a training graph against others costs little against so many runs of it. */
export const isWorthARace = (runs: number, others: number): boolean =>
  others * 2 * (runsOfRace + loadingRuns) <= trialShare * runs;

/** Batches that gradients are measured on before training: 1 to 4, at most a twentieth of the runs to come. */
export const probesFor = (runs: number): number => Math.min(4, Math.max(1, Math.round(runs / 20)));
