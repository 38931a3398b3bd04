import { differentiateAbstract } from "../../autodiff/differentiate.ts";
import { createModel, createValue } from "../../ir/graph.ts";
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
import { activationNames, openForward, zeroPointsOf } from "./forward-model.ts";
import { openZeroPoints } from "./open-parameters.ts";

/** Finds the forms in which the abstract gradient nodes of a graph are computed fastest. */
export type FormTrials = (abstract: Graph, target: { opset: number; portable: boolean }) => Promise<Forms>;

/** What the making of an integer backward asks for. */
export interface IntegerBackwardHooks {
  /** Runs a training graph on some samples and returns the mean of each of its outputs, all of them scalars. */
  measure: (model: Model) => Promise<ReadonlyMap<string, number>>;
  /** Decides between the training graph and the same with a float backward; without it the integer one is taken. */
  choose?: (models: Readonly<Record<"float" | "integer", Model>>) => Promise<"float" | "integer">;
}

export interface TrainingModelOptions {
  batch: number;
  portable: boolean;
  forward: "float" | "integer";
  tune: FormTrials | undefined;
  /** Computes data gradients of convolutions on integer kernels. */
  integerBackward: IntegerBackwardHooks | undefined;
}

interface BuiltTraining {
  model: Model;
  usesContribOps: boolean;
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
): Promise<BuiltTraining & { backward: "float" | "integer"; forwardGraph: Graph }> {
  const pinned = await pinBatch(forward, options.batch);
  const { graph } = pinned;
  openForward(graph, state, parameters);
  for (const name of state.weights.keys()) {
    graph.inputs.push(createValue(weightNames(name).rows, "int64", [`${name}.rows.count`]));
  }
  const { portable, tune, integerBackward } = options;
  const opset = pinned.opsets.get("") ?? 13;
  const integer = options.forward === "integer" ? planIntegerForward(graph, options) : undefined;
  const differentiated = (coded: boolean): Graph =>
    differentiateAbstract(integer?.graph ?? graph, {
      loss: "loss",
      parameters: wantedGradients(state, parameters).parameters,
      weights: Array.from(state.weights.keys(), weightNames),
      opset,
      ...(integer === undefined ? {} : { stands: integer.stands }),
      ...(coded ? { coded: isCodedIn } : {}),
    }).graph;
  const lowered = (abstract: Graph, forms: Forms, outputs: readonly Value[]): BuiltTraining => {
    let graph = lowerGradientNodes(abstract, { portable, forms }).graph;
    if (integer !== undefined) graph = lowerIntegerForward(graph, integer);
    openZeroPoints(graph, zeroPointsOf(state));
    graph.outputs = [...outputs];
    const usesContribOps = graph.nodes.some(({ domain }) => domain === "com.microsoft");
    const contrib: [string, number][] = usesContribOps ? [["com.microsoft", 1]] : [];
    const model = dropUnused(createModel(graph, opset, contrib));
    return { model: { ...model, graph: orderNodes(model.graph, "loss") }, usesContribOps };
  };
  const complete = async (abstract: Graph): Promise<BuiltTraining> => {
    const forms = tune === undefined ? guessedForms : await tune(abstract, { opset, portable });
    const outputs = [createValue("loss", "float32", []), ...gradientOutputs(state, parameters)];
    return lowered(abstract, forms, outputs);
  };
  const inFloat = async () => ({
    ...(await complete(differentiated(false))),
    backward: "float" as const,
    forwardGraph: graph,
  });
  if (integerBackward === undefined) return inFloat();
  const exact = differentiated(true);
  const plan = planIntegerBackward(exact);
  if (plan.coded.size === 0) return inFloat();
  const probe = withReaches(exact, plan);
  const { model } = lowered(probe, guessedForms, probe.outputs);
  const reaches = await integerBackward.measure(dropUnusedInputs(model));
  // A gradient that was zero, or no number, on every sample says nothing of the codes it needs.
  if (![...reaches.values()].every((reach) => Number.isFinite(reach) && reach > 0)) return inFloat();
  const coded = lowerIntegerBackward(exact, plan, { reaches, integerForward: integer !== undefined });
  const inCodes = { ...(await complete(coded)), backward: "integer" as const, forwardGraph: graph };
  const { choose } = integerBackward;
  if (choose === undefined) return inCodes;
  const alternative = await inFloat();
  const chosen = await choose({ float: alternative.model, integer: inCodes.model });
  return chosen === "integer" ? inCodes : alternative;
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
