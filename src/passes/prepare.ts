import type { Model } from "../ir/model.ts";
import type { InputShapes } from "./bind-inputs.ts";
import { checkSource, verifySource } from "./check-source.ts";
import type { Pass } from "./define-pass.ts";
import { eliminateNoOps } from "./eliminate-no-ops.ts";
import { extractConstants } from "./extract-constants.ts";
import { fixDefaults } from "./fix-defaults.ts";
import { foldBatchNorm } from "./fold-batch-norm/fold-batch-norm.ts";
import { lowerBatchNorm } from "./fold-batch-norm/lower-batch-norm.ts";
import { foldConstants } from "./fold-constants.ts";
import { fuseGemm } from "./fuse-gemm.ts";
import { inlineFunctions } from "./inline-functions/inline-functions.ts";
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
import { setInputShapes } from "./set-input-shapes.ts";
import { unpackSequences } from "./unpack-sequences.ts";

export interface PrepareOptions extends PipelineOptions {
  /** Shapes of inputs, by name; -1 leaves a dimension as the model has it. */
  inputShapes?: InputShapes | undefined;
}

/**
 * Makes a model ready for quantization without changing what it computes: constants and BatchNormalization
 * folded, identities gone, opset at least 13, nodes uniquely named, and the type of every value known. The first
 * dimension of inputs stays open where it was. Throws a UserError that names the pass, the place and the remedy.
 */
export async function prepareModel(model: Model, options: PrepareOptions = {}): Promise<Model> {
  return runPasses(model, preparationPasses(options.inputShapes), options);
}

/** The passes of {@link prepareModel}, in order. */
function preparationPasses(inputShapes?: InputShapes): Pass[] {
  return [
    verifySource,
    nameNodes,
    inlineFunctions,
    fixDefaults,
    checkSource,
    setInputShapes(inputShapes),
    extractConstants,
    recordTypes(),
    raiseOpset(13),
    foldConstants,
    unpackSequences,
    recordTypes(),
    resolveShapes,
    resolveResize,
    foldConstants,
    eliminateNoOps,
    mergeReshapes,
    fuseGemm,
    normalizeLinear,
    foldBatchNorm,
    optimizeBasic,
    nameNodes,
    recordTypes(),
    foldConstants,
    eliminateNoOps,
    foldBatchNorm,
    lowerBatchNorm,
    normalizeLinear,
    removeUnused,
    recordTypes(),
  ];
}
