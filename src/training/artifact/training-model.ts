import { differentiateAbstract } from "../../autodiff/differentiate.ts";
import { createModel, createValue, usesContribOps } from "../../ir/graph.ts";
import type { Graph, Model, Value } from "../../ir/model.ts";
import { lowerIntegerForward, planIntegerForward } from "../../lowering/integer/integer-forward.ts";
import { type Forms, guessedForms } from "../../lowering/forms.ts";
import {
  isCodedIn,
  lowerIntegerBackward,
  planIntegerBackward,
} from "../../lowering/integer/integer-backward.ts";
import { withReaches } from "../../lowering/integer/gradient-reaches.ts";
import { lowerGradientNodes } from "../../lowering/lower-gradient-nodes.ts";
import { orderNodes } from "../../lowering/order-nodes.ts";
import { pinBatch } from "../../passes/pin-batch.ts";
import { dropUnused, dropUnusedInputs } from "../../passes/remove-unused.ts";
import type { QuantizationState, QuantizedActivation } from "../../quantization/types.ts";
import { trainedCount, weightNames } from "../optimizers/straight-through.ts";
import { rowsShape } from "../freezing/rows.ts";
import type { FloatParameter } from "./collect-parameters.ts";
import { activationNames, heldBiases, openForward, zeroPointsOf } from "./forward-model.ts";
import { holdBiases, openZeroPoints } from "./open-parameters.ts";

/** Finds the forms in which the abstract gradient nodes of a graph are computed fastest. */
export type FormTrials = (abstract: Graph, target: { opset: number; portable: boolean }) => Promise<Forms>;

/** What a part of a step is computed with: float operators, or integer kernels on codes. */
export type Arithmetic = "float" | "integer";

/** Runs of training graphs on samples, on which the making of one may depend. */
export interface TrainingTrials {
  /** Runs a graph whose outputs are scalars on some samples and returns the mean of each of them. */
  measure: (model: Model) => Promise<ReadonlyMap<string, number>>;
  /** Picks one of several graphs of the same gradients, by index. The first is the most exact. */
  choose?: (models: readonly Model[]) => Promise<number>;
}

export interface TrainingModelOptions {
  batch: number;
  portable: boolean;
  /** auto: what `trials` choose; integer where they cannot. */
  forward: Arithmetic | "auto";
  /** What data gradients of convolutions are computed with. Anything but float needs `trials`. */
  backward: Arithmetic | "auto";
  tune: FormTrials | undefined;
  trials: TrainingTrials | undefined;
}

interface TrainingModelSources {
  state: QuantizationState;
  parameters: readonly FloatParameter[];
  options: TrainingModelOptions;
}

interface Lowered {
  model: Model;
  usesContribOps: boolean;
}

interface BuiltTraining extends Lowered {
  forward: Arithmetic;
  backward: Arithmetic;
}

/** Whether an activation quantizer's zero point trains; its scale does when `trainable`. */
export const trainsZeroPoint = (activation: QuantizedActivation): boolean =>
  activation.trainable && !activation.fixedZeroPoint && !activation.symmetric;

/**
 * `training_model.onnx`: the forward at a fixed batch size and the gradients, with everything that trains as
 * an input. `forward` is the model with its loss, shapes still open.
 */
export async function buildTrainingModel(
  forward: Model,
  state: QuantizationState,
  parameters: readonly FloatParameter[],
  options: TrainingModelOptions,
): Promise<BuiltTraining & { forwardGraph: Graph }> {
  const pinned = await pinBatch(forward, options.batch);
  const { graph } = pinned;
  openForward(graph, state, parameters);
  for (const name of state.weights.keys()) {
    graph.inputs.push(createValue(weightNames(name).rows, "int64", [`${name}.rows.count`]));
  }
  const opset = pinned.opsets.get("") ?? 13;
  const built: BuiltTraining[] = [];
  for (const arithmetic of candidates(options.forward, options))
    built.push(...(await inForward(arithmetic, graph, opset, { state, parameters, options })));
  const chosen = built.length === 1 ? 0 : await options.trials?.choose?.(built.map(({ model }) => model));
  return { ...(built[chosen ?? 0] ?? (built[0] as BuiltTraining)), forwardGraph: graph };
}

/** What is left to choose from, the most exact first. */
function candidates(wanted: Arithmetic | "auto", { trials }: TrainingModelOptions): readonly Arithmetic[] {
  if (wanted !== "auto") return [wanted];
  return trials?.choose === undefined ? ["integer"] : ["float", "integer"];
}

/** The training graph with one forward and every backward that is left to choose from. */
async function inForward(
  forward: Arithmetic,
  graph: Graph,
  opset: number,
  { state, parameters, options }: TrainingModelSources,
): Promise<BuiltTraining[]> {
  const { portable, tune, trials } = options;
  const integer = forward === "integer" ? planIntegerForward(graph, options) : undefined;
  const biases = heldBiases(graph, state, (node) => integer?.places.has(node) === true);
  const differentiated = (coded: boolean): Graph =>
    differentiateAbstract(integer?.graph ?? graph, {
      loss: "loss",
      parameters: wantedGradients(state, parameters).parameters,
      weights: Array.from(state.weights.keys(), weightNames),
      opset,
      ...(integer === undefined ? {} : { stands: integer.stands }),
      ...(coded ? { coded: isCodedIn } : {}),
    }).graph;
  const lowered = (abstract: Graph, forms: Forms, outputs: readonly Value[]): Lowered => {
    let graph = lowerGradientNodes(abstract, { portable, forms }).graph;
    if (integer !== undefined) graph = lowerIntegerForward(graph, integer);
    openZeroPoints(graph, zeroPointsOf(state));
    holdBiases(graph, biases);
    graph.outputs = [...outputs];
    const contrib = usesContribOps(graph);
    const model = dropUnused(createModel(graph, opset, contrib ? [["com.microsoft", 1]] : []));
    return { model: { ...model, graph: orderNodes(model.graph, "loss") }, usesContribOps: contrib };
  };
  const complete = async (abstract: Graph, backward: Arithmetic): Promise<BuiltTraining> => {
    const forms = tune === undefined ? guessedForms : await tune(abstract, { opset, portable });
    const outputs = [createValue("loss", "float32", []), ...gradientOutputs(state, parameters)];
    return { ...lowered(abstract, forms, outputs), forward, backward };
  };
  const inCodes = async (): Promise<BuiltTraining | undefined> => {
    const exact = differentiated(true);
    const plan = planIntegerBackward(exact);
    if (plan.coded.size === 0 || trials === undefined) return undefined;
    const probe = withReaches(exact, plan);
    const { model } = lowered(probe, guessedForms, probe.outputs);
    const reaches = await trials.measure(dropUnusedInputs(model));
    // A gradient that was zero, or no number, on every sample says nothing of the codes it needs.
    if (![...reaches.values()].every((reach) => Number.isFinite(reach) && reach > 0)) return undefined;
    const coded = lowerIntegerBackward(exact, plan, { reaches, integerForward: integer !== undefined });
    return complete(coded, "integer");
  };
  const backwards = candidates(options.backward, options);
  const coded = backwards.includes("integer") ? await inCodes() : undefined;
  if (coded === undefined) return [await complete(differentiated(false), "float")];
  return backwards.includes("float") ? [await complete(differentiated(false), "float"), coded] : [coded];
}

/** Names to differentiate by, quantized weights' codes aside. */
function wantedGradients(
  state: QuantizationState,
  parameters: readonly FloatParameter[],
): { parameters: string[] } {
  const activations = [...state.activations.values()].filter(({ trainable }) => trainable);
  return {
    parameters: [
      ...parameters.map(({ name }) => name),
      ...Array.from(state.weights.keys(), (name) => weightNames(name).scale),
      ...activations.map(({ name }) => activationNames(name).scale),
      ...activations.filter(trainsZeroPoint).map(({ name }) => activationNames(name).zeroPointCodes),
    ],
  };
}

/** Declared outputs for the gradients, in the order of the inputs. */
function gradientOutputs(state: QuantizationState, parameters: readonly FloatParameter[]) {
  const weights = [...state.weights.values()].flatMap(({ name, shape, axis }) => {
    const rows = rowsShape(shape, axis, 0).slice(1);
    const count = trainedCount({ name });
    return [
      createValue(`${name}.grad`, "float32", [count, ...rows]),
      createValue(`${name}.scale.grad`, "float32", [shape[axis]]),
    ];
  });
  const activations = [...state.activations.values()]
    .filter(({ trainable }) => trainable)
    .flatMap((activation) => {
      const { scale, zeroPoint } = activationNames(activation.name);
      const names = trainsZeroPoint(activation) ? [scale, zeroPoint] : [scale];
      return names.map((name) => createValue(`${name}.grad`, "float32", []));
    });
  return [
    ...weights,
    ...activations,
    ...parameters.map(({ name, shape }) => createValue(`${name}.grad`, "float32", shape)),
  ];
}
