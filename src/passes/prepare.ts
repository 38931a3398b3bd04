import type { Model } from "../ir/model.ts";
import type { BatchAxes, InputShapes, Sizes } from "./bind-inputs.ts";
import { checkOperators } from "./check-operators.ts";
import { checkSource, verifySource } from "./check-source.ts";
import type { Pass } from "./define-pass.ts";
import { eliminateNoOps } from "./eliminate-no-ops.ts";
import { extractConstants } from "./extract-constants.ts";
import { findProbes, type FrozenDim, type Probes, type SampleFeeds } from "./find-probes.ts";
import { fixDefaults } from "./fix-defaults.ts";
import { foldBatchNorm } from "./fold-batch-norm/fold-batch-norm.ts";
import { lowerBatchNorm } from "./fold-batch-norm/lower-batch-norm.ts";
import { foldConstants } from "./fold-constants.ts";
import { fuseGelu, fuseTanhGelu } from "./fuse/fuse-gelu.ts";
import { fuseHardSwish } from "./fuse/fuse-hard-swish.ts";
import { fuseLayerNorm } from "./fuse/fuse-layer-norm.ts";
import { fuseRmsNorm } from "./fuse/fuse-rms-norm.ts";
import { fuseGemm } from "./fuse-gemm.ts";
import { inlineFunctions } from "./inline-functions/inline-functions.ts";
import { hasSettledIf, inlineIfs } from "./inline-ifs.ts";
import { mergeReshapes } from "./merge-reshapes.ts";
import { nameNodes } from "./name-nodes.ts";
import { normalizeLinear } from "./normalize-linear.ts";
import { runPasses, type PipelineOptions } from "./pipeline.ts";
import { optimizeBasic } from "./optimize-basic/optimize-basic.ts";
import { raiseOpset } from "./raise-opset/raise-opset.ts";
import { recordTypes } from "./record-types.ts";
import { removeUnused } from "./remove-unused.ts";
import { resolveResize } from "./resolve-resize.ts";
import { resolveShapes } from "./resolve-shapes.ts";
import { type InputFacts, setInputShapes } from "./set-input-shapes.ts";
import { decidingInputs, type SettledInputs, settleInputs } from "./settle-inputs.ts";
import { TypeMemo } from "./type-memo.ts";
import { type FileQuantizers, noQuantizers } from "./unquantize/file-quantizers.ts";
import { unquantize } from "./unquantize/unquantize.ts";
import { unpackSequences } from "./unpack-sequences.ts";
import { widenFloats } from "./widen-floats.ts";
import { writeOut } from "./write-out/write-out.ts";

export interface PrepareOptions extends PipelineOptions {
  /** Shapes of inputs, by name; -1 leaves a dimension as the model has it. */
  inputShapes?: InputShapes | undefined;
  /** Axes of inputs that hold the batch, where the symbols of the model do not tell. */
  batchAxes?: BatchAxes | undefined;
  /** Inputs that have one value in all data. */
  settled?: SettledInputs | undefined;
  /** Whether the quantizers of a quantized model are taken out, and noted. Default: they stay, which nothing is done with. */
  unquantize?: boolean | undefined;
  /** One sample, to try the model at other sizes of its open dimensions. */
  sample?: SampleFeeds | undefined;
}

/** A prepared model, and what was found about its open dimensions. */
export interface Preparation {
  model: Model;
  /** Sizes at which it runs, those of the sample where one was given, by symbol. */
  sizes: Sizes;
  /** Open dimensions that take one size only, and are fixed to it. */
  frozen: FrozenDim[];
  /** Inputs whose value decided which branch of an If stays. */
  decided: string[];
  /** Quantizers that the file had, where they were taken out. */
  quantizers: FileQuantizers;
}

/**
 * Makes a model ready for quantization without changing what it computes: constants and BatchNormalization
 * folded, identities gone, opset at least 13, nodes uniquely named, and the type of every value known. Open dimensions
 * of inputs stay open. Throws a UserError that names the pass, the place and the remedy.
 */
export async function prepareModel(model: Model, options: PrepareOptions = {}): Promise<Model> {
  return (await prepareOpen(model, options)).model;
}

/** {@link prepareModel}, with what it finds about open dimensions. */
export async function prepareOpen(model: Model, options: PrepareOptions = {}): Promise<Preparation> {
  const { inputShapes: shapes, batchAxes, sample, settled = new Map() } = options;
  const quantizers = noQuantizers();
  const opening = openingPasses({ shapes, batchAxes });
  if (options.unquantize === true) opening.push(unquantize(quantizers));
  const source = await runPasses(model, opening, options);
  const decided = decidingInputs(source.graph, settled);
  const opened = await inlineSettled(await runPasses(source, [settleInputs(settled)], options), [], options);
  const memo = new TypeMemo();
  const found = await findProbes(opened, sample, memo);
  const { frozen } = found;
  const fixed = new Map(frozen.map(({ symbol, size }) => [symbol, size]));
  const bound =
    frozen.length === 0
      ? opened
      : await runPasses(opened, [setInputShapes({ batchAxes, sizes: fixed })], options);
  const probes = frozen.length === 0 ? found : await findProbes(bound, sample, memo);
  const passes = preparationPasses(probes, memo);
  const prepared = await inlineSettled(await runPasses(bound, passes, options), passes, options, bound);
  return { model: prepared, sizes: probes.base, frozen, decided, quantizers };
}

/** Ifs in Ifs deeper than this stay. */
const mostIfs = 16;

/**
 * Inlines every If whose condition is known, those within as well, with `passes` behind each round, as long as there are
 * fewer afterwards: what is known of shapes behind an If may settle the next one.
 */
async function inlineSettled(
  model: Model,
  passes: readonly Pass[],
  options: PrepareOptions,
  before = model,
): Promise<Model> {
  let current = countIfs(model) === 0 ? model : await runPasses(model, [foldConstants], options);
  let left = countIfs(before);
  for (let depth = 0; depth < mostIfs; depth++) {
    if (!hasSettledIf(current) && (passes.length === 0 || countIfs(current) === left)) break;
    left = countIfs(current);
    current = await runPasses(
      current,
      [inlineIfs, nameNodes, extractConstants, foldConstants, ...passes],
      options,
    );
  }
  return current;
}

/** Ifs of a graph, those of its subgraphs left out. */
const countIfs = ({ graph }: Model): number => graph.nodes.filter(({ opType }) => opType === "If").length;

/** What has to be done before anything is known of shapes. */
function openingPasses(facts: InputFacts): Pass[] {
  return [
    verifySource,
    nameNodes,
    inlineFunctions,
    fixDefaults,
    checkOperators,
    widenFloats,
    checkSource,
    setInputShapes(facts),
    extractConstants,
    removeUnused,
  ];
}

/** The other passes of {@link prepareModel}, in order. */
function preparationPasses(probes: Probes, memo: TypeMemo): Pass[] {
  const types = (): Pass => recordTypes({ probes, memo });
  return [
    types(),
    raiseOpset(13),
    writeOut,
    foldConstants,
    unpackSequences,
    types(),
    resolveShapes,
    resolveResize,
    foldConstants,
    eliminateNoOps,
    mergeReshapes,
    fuseLayerNorm,
    fuseRmsNorm,
    fuseHardSwish,
    fuseGelu,
    fuseTanhGelu,
    fuseGemm,
    normalizeLinear,
    foldBatchNorm,
    optimizeBasic,
    nameNodes,
    types(),
    foldConstants,
    eliminateNoOps,
    foldBatchNorm,
    lowerBatchNorm,
    normalizeLinear,
    removeUnused,
    types(),
  ];
}
