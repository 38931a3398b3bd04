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

/** Runs a training graph on some samples and returns the mean of each of its outputs, all of them scalars. */
export type GradientMeasurement = (model: Model) => Promise<ReadonlyMap<string, number>>;

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
  options: {
    batch: number;
    portable: boolean;
    forward: "float" | "integer";
    tune: FormTrials | undefined;
    measure: GradientMeasurement | undefined;
  },
): Promise<{ model: Model; usesContribOps: boolean; forwardGraph: Graph }> {
  const pinned = await pinBatch(forward, options.batch);
  const { graph } = pinned;
  openForward(graph, state, parameters);
  for (const name of state.weights.keys()) {
    graph.inputs.push(createValue(weightNames(name).rows, "int64", [`${name}.rows.count`]));
  }
  const { portable, tune, measure } = options;
  const opset = pinned.opsets.get("") ?? 13;
  const wanted = wantedGradients(state, parameters);
  const integer = options.forward === "integer" ? planIntegerForward(graph, options) : undefined;
  const { graph: exact } = differentiateAbstract(graph, {
    loss: "loss",
    parameters: wanted.parameters,
    weights: Array.from(state.weights.keys(), weightNames),
    opset,
    ...(integer === undefined ? {} : { stands: integer.stands }),
    ...(measure === undefined ? {} : { coded: isCodedIn }),
  });
  const complete = (abstract: Graph, forms: Forms, outputs: readonly Value[]) => {
    let lowered = lowerGradientNodes(abstract, { portable, forms }).graph;
    if (integer !== undefined) lowered = lowerIntegerForward(lowered, integer);
    openZeroPoints(lowered, zeroPointsOf(state));
    lowered.outputs = [...outputs];
    const usesContribOps = lowered.nodes.some(({ domain }) => domain === "com.microsoft");
    const contrib: [string, number][] = usesContribOps ? [["com.microsoft", 1]] : [];
    const model = dropUnused(createModel(lowered, opset, contrib));
    return { model: { ...model, graph: orderNodes(model.graph, "loss") }, usesContribOps };
  };
  let abstract = exact;
  if (measure !== undefined) {
    const plan = planIntegerBackward(exact);
    const probe = withReaches(exact, plan);
    const { model } = complete(probe, guessedForms, probe.outputs);
    const reaches = await measure(dropUnusedInputs(model));
    abstract = lowerIntegerBackward(exact, plan, { reaches, integerForward: integer !== undefined });
  }
  const forms = tune === undefined ? guessedForms : await tune(abstract, { opset, portable });
  const outputs = [createValue("loss", "float32", []), ...gradientOutputs(state, parameters)];
  return { ...complete(abstract, forms, outputs), forwardGraph: graph };
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
