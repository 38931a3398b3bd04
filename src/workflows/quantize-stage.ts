import { calibrate } from "../calibration/calibrate.ts";
import type { StatisticsFile } from "../calibration/statistics/merge.ts";
import type { StageOptions } from "../calibration/run-stages.ts";
import { rangesOf } from "../calibration/statistics/ranges.ts";
import type { Dataset } from "../data/dataset.ts";
import type { DataSpec } from "../data/spec.ts";
import { chooseOutputs, type JudgedOutputs } from "../ir/judged-output.ts";
import type { Model } from "../ir/model.ts";
import { requiredInputs } from "../ir/value-types.ts";
import { type InputShapes, nameOpenDims, type Sizes } from "../passes/bind-inputs.ts";
import type { FileQuantizers } from "../passes/unquantize/file-quantizers.ts";
import { hasKernels } from "../passes/widen-floats.ts";
import type { ModelSource } from "../runtime/open-model.ts";
import type { FrozenDim } from "../passes/find-probes.ts";
import { runPasses } from "../passes/pipeline.ts";
import { type Preparation, prepareOpen } from "../passes/prepare.ts";
import { raiseOpset } from "../passes/raise-opset/raise-opset.ts";
import { recordTypes } from "../passes/record-types.ts";
import { checkModel, checkStorage } from "../export/check-target.ts";
import type { Target } from "../quantization/targets/target.ts";
import { targetNamed } from "../quantization/targets/table.ts";
import { countKept, floatLayers } from "../quantization/keep-quantizers.ts";
import { quantizeSubgraphWeights } from "../quantization/subgraph-weights.ts";
import { computeState } from "../quantization/parameters.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import type { RunContext, RuntimeOptions } from "./context.ts";
import { openEncodings } from "./given-encodings.ts";
import { findRanges, type RangeSource } from "./find-ranges.ts";
import { describeKept, asksUnquantize } from "./quantized-source.ts";
import { describeKind } from "./judge.ts";
import { memoryLimitOf, samplesWithin } from "./memory-limit.ts";
import { sampleFeeds } from "./open-data.ts";
import { type QuantizationChoices, usualSamples } from "./options.ts";
import { labelWarnings } from "./preflight/check-data.ts";
import type { PlannedOutput } from "./preflight/check-machine.ts";
import { checkStart, type StartOptions } from "./preflight/check-start.ts";
import type { Source } from "./read-source.ts";

/** A model made ready, with the data it will see. */
export interface Prepared {
  source: Source;
  /** Numerically equal to the source, and easier to work on. */
  model: Model;
  /**
   * What stands for the source model: its file, or the prepared model where ONNX Runtime has no kernels for its types or
   * where the file is quantized already.
   */
  float: ModelSource;
  /** Sizes of its open dimensions in the data, by symbol. */
  sizes: Sizes;
  /** Where the samples come from; none where they are made up from statistics. */
  spec: DataSpec | undefined;
  dataset: Dataset;
  /** Statistics that ranges are found from, where they were given. */
  statistics: StatisticsFile | undefined;
  /** Weights inside subgraphs that are held as codes. */
  subgraphWeights: string[];
  /** What the outputs hold, and which of them results are judged by. */
  outputs: JudgedOutputs;
  /** The output that was asked for, which alone is trained on, too. */
  output: string | undefined;
  /** Warnings about its inputs and values. */
  notes: string[];
  /** Quantizers of a source that is quantized already; the model is the one that its codes stand for. */
  quantizers?: FileQuantizers;
}

/** A prepared model with the values of its quantizers. */
export interface Quantized extends Prepared {
  target: Target;
  plan: QuantizationPlan;
  state: QuantizationState;
}

/** What is needed to prepare a model. */
export interface PrepareSourceOptions {
  /** Path of the model. */
  model: string;
  /** May be missing where there are statistics, which samples are then made up from. */
  data?: DataSpec | undefined;
  inputShapes?: InputShapes | undefined;
  /** The output that results are to be judged by. */
  output?: string | undefined;
  quantization?:
    | Pick<QuantizationChoices, "statistics" | "calibrationSamples" | "quantized" | "subgraphWeights">
    | undefined;
  provider?: string | undefined;
}

/**
 * Loads a model, opens its data and prepares it. What can be known before any work on samples is checked first: throws one
 * error for all that is wrong with the provider, the `places` of outputs, the model and its data.
 */
export async function prepareSource(
  options: PrepareSourceOptions,
  places: readonly PlannedOutput[],
  context: RunContext,
): Promise<Prepared> {
  const { logger } = context;
  const { data: spec, output, quantization } = options;
  logger.info(`Reading ${options.model}.`);
  const asked = askedStatistics(quantization);
  const { source, dataset, statistics } = await checkStart({ ...options, statistics: asked }, places);
  logger.info(
    `Data: ${dataset.name}, ${dataset.length} samples${dataset.hasLabels ? "" : ", without labels"}.`,
  );
  const { preparation, model, subgraphWeights } = await prepareOnData(source, dataset, options, context);
  const { sizes, frozen, quantizers } = preparation;
  const wasQuantized = quantizers.operators.size > 0;
  const { batchAxes, set = {} } = spec ?? {};
  const { batch } = nameOpenDims(requiredInputs(source.model.graph), batchAxes);
  const notes = [
    ...labelWarnings(dataset),
    ...describePreparation(preparation, batch, set),
    ...describeSubgraphWeights(subgraphWeights, quantization?.subgraphWeights),
  ];
  for (const note of notes) logger.warn(note);
  const perRun = frozen.find(({ symbol }) => symbol === batch)?.size;
  const outputs = chooseOutputs(model, { output, labels: dataset.hasLabels });
  logger.info(`Output "${outputs.judged.name}" is judged as ${describeKind(outputs.judged)}.`);
  return {
    source,
    model,
    subgraphWeights,
    sizes,
    spec,
    notes,
    outputs,
    output,
    statistics,
    ...(wasQuantized ? { quantizers } : {}),
    float: hasKernels(source.model) && !wasQuantized ? options.model : model,
    dataset: perRun === undefined ? dataset : { ...dataset, samplesPerRun: perRun },
  };
}

/** Prepares a model at the sizes of its data, and quantizes the weights inside its subgraphs where that is asked for. */
async function prepareOnData(
  source: Source,
  dataset: Dataset,
  { data, quantization }: PrepareSourceOptions,
  { logger, signal }: RunContext,
): Promise<{ preparation: Preparation; model: Model; subgraphWeights: string[] }> {
  const { batchAxes, set = {} } = data ?? {};
  const sample = await sampleFeeds(dataset);
  const settled = new Map(
    Object.keys(set).flatMap((name) => (sample[name] === undefined ? [] : [[name, sample[name]]])),
  );
  const unquantize = asksUnquantize(source.model, quantization?.quantized);
  const preparation = await prepareOpen(source.model, {
    sample,
    batchAxes,
    settled,
    unquantize,
    logger,
    signal,
  });
  if (quantization?.subgraphWeights !== "int8")
    return { preparation, model: preparation.model, subgraphWeights: [] };
  const { model, weights: subgraphWeights } = quantizeSubgraphWeights(preparation.model);
  return { preparation, model, subgraphWeights };
}

/** Least number of samples that statistics must be of, where no other is asked for. */
const leastSamples = 16;

/** The statistics that were asked for, and the samples that they must be of. */
const askedStatistics = (
  choices: Pick<QuantizationChoices, "statistics" | "calibrationSamples"> | undefined,
): StartOptions["statistics"] =>
  choices?.statistics === undefined
    ? undefined
    : { path: choices.statistics, least: choices.calibrationSamples ?? leastSamples };

/** Notes on inputs that decided the branch of an If, and on open dimensions that were fixed. `batch`: the batch's symbol. */
function describePreparation(
  { decided, frozen }: Preparation,
  batch: string | undefined,
  set: NonNullable<DataSpec["set"]>,
): string[] {
  return [
    ...decided.map(
      (name) =>
        `What is written is the model at --set ${name}=${set[name]?.join(",")} whatever else is fed: an If follows from it.`,
    ),
    ...frozen.map((dim) => describeFrozen(dim, dim.symbol === batch)),
  ];
}

/** Notes on weights inside subgraphs, where `asked` requests codes for them. */
function describeSubgraphWeights(
  weights: readonly string[],
  asked: QuantizationChoices["subgraphWeights"],
): string[] {
  if (asked !== "int8") return [];
  if (weights.length === 0) return ["No weight of its own lies inside an If, Loop or Scan body."];
  const [what, are] = weights.length === 1 ? ["weight", "is"] : ["weights", "are"];
  return [
    `${weights.length} ${what} inside If, Loop and Scan bodies ${are} held as 8-bit codes, and their operators compute in floats.`,
  ];
}

/** Says what an open dimension that takes one size only means, and which node is to blame. */
function describeFrozen({ symbol, size, reason }: FrozenDim, isBatch: boolean): string {
  const node = /Name:'([^']+)'/.exec(reason)?.[1];
  const op = /while running (\w+) node/.exec(reason)?.[1] ?? "a node";
  const culprit = node === undefined ? "" : ` (${op} "${node}" holds the size it was exported with)`;
  const samples = size === 1 ? "one sample" : `${size} samples`;
  return isBatch
    ? `This model takes ${samples} at a time although its batch is declared open${culprit}; so it is fed and so it is written.`
    : `The open dimension "${symbol}" takes no size but ${size}${culprit}, and is fixed to it.`;
}

/** Samples per run of calibration, where neither --batch nor memory asks for fewer; they change no result. */
const calibrationBatch = 32;

/**
 * Plans quantization, calibrates on the data at most `batch` samples at a time, and computes scales, zero points and
 * integer weights.
 */
export async function quantizePrepared(
  prepared: Prepared,
  choices: QuantizationChoices,
  {
    provider,
    threads,
    batch,
    memoryLimit,
  }: RuntimeOptions & { batch: number; memoryLimit?: number | undefined },
  context: RunContext,
): Promise<Quantized> {
  const { logger, signal } = context;
  const target = targetNamed(choices.target);
  checkStorage(target, choices.int4);
  await checkModel(prepared.model, target, prepared.sizes, prepared.spec?.batchAxes);
  const model =
    choices.abits === 16 ? await runPasses(prepared.model, [raiseOpset(21), recordTypes()]) : prepared.model;
  const limit = memoryLimitOf(memoryLimit);
  const { quantizers } = prepared;
  const kept = choices.quantized === "keep" ? quantizers : undefined;
  const planOptions =
    kept === undefined ? choices : { ...choices, excludeNodes: floatLayers(model, choices, kept) };
  const given = await openEncodings(choices.encodings);
  const source = rangeSource({ ...prepared, model }, choices, () => ({
    batch: samplesWithin(prepared.model, Math.min(batch, calibrationBatch), limit),
    provider,
    threads,
    logger,
    signal,
  }));
  const found = await findRanges(model, planOptions, given?.before(source) ?? source, kept);
  const { plan, ranges } = found;
  const settled = given?.settle(plan) ?? [];
  const state = computeState(model, plan, ranges, { kept, ...(given && { givenScales: given.scales }) });
  const notes = [
    ...(quantizers === undefined ? [] : [describeKept(quantizers, kept && countKept(model, plan, kept))]),
    ...found.notes,
    ...settled,
  ];
  for (const note of notes) logger.warn(note);
  logger.info(
    `Plan: ${plan.weights.length} weights and ${plan.activations.length} activations quantized, ${plan.float.length} nodes stay float.`,
  );
  return { ...prepared, model, target, plan, state, notes: [...prepared.notes, ...notes] };
}

/** Ranges from the statistics that were given, else from the data. */
function rangeSource(
  { model, dataset, statistics }: Prepared,
  { calibration: method, calibrationSamples: samples = usualSamples }: QuantizationChoices,
  options: () => StageOptions,
): RangeSource {
  if (statistics !== undefined)
    return (values, asked) => rangesOf(statistics.statistics, values, statistics.path, { ...asked, method });
  return (values, asked) => calibrate(model, values, dataset, { ...asked, ...options(), method, samples });
}
