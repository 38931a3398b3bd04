import { InternalError, modelError } from "../errors.ts";
import { cloneModel } from "../ir/clone.ts";
import type { Model } from "../ir/model.ts";
import type { Sizes } from "../passes/bind-inputs.ts";
import { pinBatch } from "../passes/pin-batch.ts";
import { runPasses } from "../passes/pipeline.ts";
import { raiseOpset } from "../passes/raise-opset/raise-opset.ts";
import { recordTypes } from "../passes/record-types.ts";
import { insertQuantizers, opsetFor } from "../quantization/insert.ts";
import { snapBiases } from "../quantization/snap-biases.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import { tensorOf, viewAs } from "../tensor/tensor.ts";
import { version } from "../version.ts";
import { guardBiases } from "./guard-biases.ts";
import { restoreTypes } from "./restore-types.ts";
import { roundState } from "./round-state.ts";

export interface ExportOptions {
  /** 4-bit codes in int8 (integer kernels run; default) or as INT4/UINT4 (opset 21; smallest file, float kernels). */
  int4?: "container" | "initializer";
  /** Goes to the model's metadata as JSON under "efqat": options, hashes of model and data, whatever the caller knows. */
  provenance?: Readonly<Record<string, unknown>>;
  /** Fix all shapes: the samples per run, and sizes of other open dimensions by symbol. */
  fixed?: { batch: number; sizes?: Sizes | undefined } | undefined;
}

export interface ExportedModel {
  model: Model;
  /** What the file holds: zero points rounded, rows re-encoded where an int32 bias would have overflowed. */
  state: QuantizationState;
  /** Biases as the file holds them, multiples of s_x * s_w, by initializer name. */
  biases: Map<string, Float32Array>;
  /** Number of rows so re-encoded, by weight. */
  enlargedRows: Map<string, number>;
}

/**
 * The deployable model: integer weights and int32 biases as initializers with DequantizeLinear, trained scales and
 * rounded zero points at every activation quantizer, source names kept, provenance in the metadata.
 * @param model the prepared float model
 * @param biases trained float parameters by initializer name; those absent keep the model's values
 * @throws UserError when a trained scale is not positive or a parameter not finite
 */
export async function exportModel(
  model: Model,
  plan: QuantizationPlan,
  state: QuantizationState,
  biases: ReadonlyMap<string, Float32Array> = new Map(),
  options: ExportOptions = {},
): Promise<ExportedModel> {
  const { int4 = "container" } = options;
  const trained = putParameters(model, biases);
  const opset = opsetFor(state, int4);
  const { fixed } = options;
  const shaped =
    fixed === undefined ? trained : await pinBatch(trained, fixed.batch, { open: true, sizes: fixed.sizes });
  const raised = opset > 13 ? await runPasses(shaped, [raiseOpset(opset), recordTypes()]) : shaped;
  const { state: guarded, enlargedRows } = guardBiases(raised, roundState(state));
  const quantized = insertQuantizers(raised, plan, guarded, {
    form: "deploy",
    int4: hasFourBits(state) ? int4 : "container",
  });
  const deployed = restoreTypes(quantized);
  deployed.producerName = "efqat";
  deployed.producerVersion = version;
  deployed.metadata.set("efqat", JSON.stringify({ version, ...options.provenance }));
  const held = snapBiases(guarded, new Map([...biasesOf(raised, plan), ...biases]));
  return { model: deployed, state: guarded, biases: held, enlargedRows };
}

function biasesOf({ graph }: Model, plan: QuantizationPlan): Map<string, Float32Array> {
  return new Map(
    plan.biases.map(({ name }) => {
      const tensor = graph.initializers.get(name);
      if (tensor === undefined) throw new InternalError(`bias "${name}" is not in the model`);
      return [name, viewAs(tensor, "float32")];
    }),
  );
}

function hasFourBits({ weights, activations }: QuantizationState): boolean {
  return [...weights.values(), ...activations.values()].some(({ bits }) => bits === 4);
}

/** A copy of the prepared model with trained float parameters in place of its own. */
export function putParameters(model: Model, values: ReadonlyMap<string, Float32Array>): Model {
  const copy = cloneModel(model);
  for (const [name, data] of values) {
    const tensor = copy.graph.initializers.get(name);
    if (tensor === undefined) throw new InternalError(`trained parameter "${name}" is not in the model`);
    if (!data.every(Number.isFinite))
      throw modelError(
        "not-finite",
        `The trained parameter "${name}" holds NaN or Inf`,
        `initializer "${name}"`,
        "Training diverged: lower the learning rate, or start again from the last checkpoint.",
      );
    copy.graph.initializers.set(name, tensorOf("float32", tensor.dims, data));
  }
  return copy;
}
