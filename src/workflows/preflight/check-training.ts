import { environmentError, unsupportedError, usageError } from "../../errors.ts";
import { fixedBatch } from "../../ir/value-types.ts";
import { planQuantization } from "../../quantization/plan.ts";
import type { Logger } from "../../log.ts";
import type { QuantizationPlan } from "../../quantization/types.ts";
import { formatBytes } from "../../report/format.ts";
import { weightBytes } from "../../runtime/open-model.ts";
import { refuseAugmented } from "../../data/targets.ts";
import { checkKernels } from "../../training/arithmetic/check-kernels.ts";
import { refusePortableCodes } from "../../training/arithmetic/open-arithmetic.ts";
import { traceTraining } from "../../training/inspect-training.ts";
import { withTargetLengths } from "../../training/losses/label-sequences.ts";
import { openLossModel } from "../../training/losses/loss-model.ts";
import { type AskedLoss, isLossFile, type LossKind } from "../../training/losses/loss-request.ts";
import { largestNode } from "../../training/rough-memory.ts";
import { checkTrainOptions, defaultTrainOptions } from "../../training/train-options.ts";
import { memoryLimitOf } from "../memory-limit.ts";
import type {
  ArtifactChoices,
  AskedTraining,
  CourseChoices,
  QuantizationChoices,
  SettledTraining,
} from "../options.ts";
import { quantizesNothing } from "../keep-source.ts";
import type { Prepared } from "../quantize-stage.ts";
import { requireOneStep, trainingSamples, trySample } from "./check-data.ts";
import { checkTargets } from "./check-targets.ts";
import { chooseBatch, usualBatch } from "./choose-batch.ts";
import { Findings } from "./findings.ts";
import type { RunContext } from "../context.ts";

/** What is asked of training; of an artifact that is only built, its course is not known. */
export type TrainingRequest = AskedTraining & {
  [Name in "schedule" | "augment"]?: CourseChoices[Name] | undefined;
};

/** What else decides whether a model can be trained. */
interface TrainingCheck {
  quantization: QuantizationChoices;
  seed: number;
  /** A model in which nothing is quantized is kept as it is, and none is trained. */
  keeps?: boolean;
}

/** Held-out part of data that an artifact is built from, which only a run decides. */
const usualVal = defaultTrainOptions.val;

/**
 * Checks, before anything is calibrated, that a prepared model can be trained as asked on its data, and says what will not
 * train of it. Returns the choices with the batch and the loss settled, and the arrays of the data that the loss compares with. Throws one error for all that is wrong.
 */
export async function checkTraining<T extends TrainingRequest>(
  prepared: Prepared,
  choices: T,
  { quantization, seed, keeps = false }: TrainingCheck,
  { logger }: RunContext,
): Promise<{ training: SettledTraining<T>; arrays: string[] }> {
  const { model, dataset } = prepared;
  const findings = new Findings();
  await findings.attempt(() => checkCourse(choices, seed));
  await findings.attempt(() => checkActivationBits(quantization));
  // What is only built may be trained elsewhere.
  if (choices.val !== undefined)
    await findings.attempt(() =>
      checkKernels(choices, "Use --forward auto and --backward auto, which take floats here."),
    );
  const part = { val: choices.val ?? usualVal, seed };
  const samples = await findings.attempt(() => trainingSamples(dataset, part));
  const fixed = dataset.samplesPerRun ?? fixedBatch(model.graph);
  const settled = await findings.attempt(() => {
    const batch = chooseBatch(choices, samples ?? dataset.length, fixed);
    // An artifact may be trained on other data than it is built with.
    if (samples !== undefined && choices.val !== undefined) requireOneStep(samples, batch.batch, dataset);
    return batch;
  });
  if (choices.augment !== undefined) await findings.attempt(() => trySample(dataset, choices.augment));
  await findings.attempt(() => checkMemory(prepared, choices.memoryLimit));
  const loss = await findings.attempt(() => openLoss(choices.loss, prepared));
  const traced =
    loss &&
    (await findings.attempt(() =>
      checkGradients(prepared, { ...choices, loss }, { quantization, keeps, logger }),
    ));
  if (choices.augment !== undefined && traced !== undefined)
    await findings.attempt(() => refuseAugmented(traced.arrays));
  findings.throwAny();
  if (traced?.warning !== undefined) logger.warn(traced.warning);
  const batch = settled as NonNullable<typeof settled>;
  if (choices.batch === undefined && batch.batch < usualBatch && samples !== undefined) {
    const why = fixed === undefined || fixed === 1 ? "" : ` (the model takes ${fixed} at a time)`;
    logger.info(`A step takes ${batch.batch} of ${samples} training samples${why}; --batch says otherwise.`);
  }
  return { training: { ...choices, ...batch, loss: loss as LossKind }, arrays: traced?.arrays ?? [] };
}

/** The loss with what it takes of files: the model that it may be, and the lengths of label sequences. */
function openLoss(asked: AskedLoss, { model, dataset, output }: Prepared): Promise<LossKind> {
  const { hasLabels, targets } = dataset;
  if (!isLossFile(asked)) return withTargetLengths(asked, targets);
  return openLossModel(asked.file, model.graph, { hasLabels, targets, output });
}

function checkActivationBits({ abits }: QuantizationChoices): void {
  if (abits !== 16) return;
  throw usageError(
    "abits",
    "Activations of 16 bits are not trained",
    "--abits 16",
    "efqat quantize writes them without training; --abits 8 trains.",
  );
}

/** Values of options that only the trainer looks at. */
function checkCourse({ schedule, epochs, refresh, portable, backward }: TrainingRequest, seed: number): void {
  const { freezing } = defaultTrainOptions;
  checkTrainOptions({
    ...defaultTrainOptions,
    seed,
    epochs: epochs ?? defaultTrainOptions.epochs,
    schedule: schedule ?? defaultTrainOptions.schedule,
    freezing: { ...freezing, refresh: refresh ?? freezing.refresh },
  });
  refusePortableCodes({ backward }, { portable });
}

/** What a process that trains takes at least besides samples and weights, and copies of weights that it holds at least. */
const [leastProcess, leastCopies] = [120e6, 2];

/** Throws where one sample takes more memory than may be used, whatever the training graph will be. */
function checkMemory({ model }: Prepared, asked: number | undefined): void {
  const limit = memoryLimitOf(asked);
  const { node, bytes } = largestNode(model, fixedBatch(model.graph) ?? 1);
  const least = leastProcess + leastCopies * weightBytes(model) + bytes;
  if (least <= limit.bytes) return;
  const what = `Training takes at least an estimated ${formatBytes(least)}, one sample at a time (${formatBytes(bytes)} of it in node "${node}"), and ${formatBytes(limit.bytes)} may be used`;
  if (limit.asked)
    throw usageError(
      "memory-limit",
      what,
      "--memory-limit",
      "Raise the limit, or use a smaller model or smaller samples.",
    );
  throw environmentError(
    "memory",
    what,
    undefined,
    "Free memory, or use a smaller model or smaller samples.",
  );
}

/** What a look at the gradients found. */
interface TracedGradients {
  /** What ends the gradient in front of weights that then do not train, in words. */
  warning?: string;
  /** Arrays of the data that the loss compares with. */
  arrays: string[];
}

/** Follows the gradients of the loss. Throws where nothing trains at all, and where its targets do not fit. */
async function checkGradients(
  { model, dataset, sizes, output }: Prepared,
  { loss, distill }: Pick<ArtifactChoices, "loss" | "distill">,
  { quantization, keeps, logger }: Pick<TrainingCheck, "quantization" | "keeps"> & { logger: Logger },
): Promise<TracedGradients> {
  const plan = planQuantization(model, quantization);
  if (keeps === true && quantizesNothing(plan)) return { arrays: [] };
  if (plan.weights.length === 0) throw nothingToTrain(plan);
  const choice = { kind: loss, hasLabels: dataset.hasLabels, distill: distill ?? 0.5, output };
  const { frozen, stops, targets } = await traceTraining(model, plan, choice, sizes);
  const arrays = await checkTargets(targets, dataset, logger);
  if (frozen.length === 0) return { arrays };
  const where = stops.slice(0, 3).map(({ op, node, reason }) => `${op} "${node}" (${reason})`);
  const more = stops.length > 3 ? ` and ${stops.length - 3} more` : "";
  const warning = `${frozen.length} of ${plan.weights.length} weights stay as calibrated, since the gradient ends at ${where.join(", ")}${more}.`;
  return { warning, arrays };
}

function nothingToTrain({ float }: QuantizationPlan): Error {
  const reasons = [...new Set(float.map(({ op, reason }) => `${op}: ${reason}`))].slice(0, 3);
  return unsupportedError(
    "nothing-to-train",
    `No weight of the model is quantized, so there is nothing to train (${reasons.join("; ")})`,
    undefined,
    "efqat quantize writes what can be quantized without training; efqat inspect lists what stays float and why.",
  );
}
