import { nothingReachedError, type GradientPath, type GradientStop } from "../../autodiff/gradient-path.ts";
import { traceGradient } from "../../autodiff/trace-gradient.ts";
import { createValue, indexGraph } from "../../ir/graph.ts";
import type { Graph, Model } from "../../ir/model.ts";
import type { Sizes } from "../../passes/bind-inputs.ts";
import { flattenIfs } from "../../passes/flatten-ifs.ts";
import { pinBatch } from "../../passes/pin-batch.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { raiseOpset } from "../../passes/raise-opset/raise-opset.ts";
import type { QuantizationPlan, QuantizationState, QuantizedActivation } from "../../quantization/types.ts";
import { requireLossGradient } from "../losses/loss-gradient.ts";
import type { Loss } from "../losses/resolve-loss.ts";
import { lossOutputs } from "../losses/outputs.ts";
import type { LossTarget } from "../losses/ports.ts";
import { activationNames, weightNames } from "../../ir/derived-names.ts";
import { closeTargets, withTargetShapes } from "./close-targets.ts";
import { collectUntrainable, type FloatParameter } from "./collect-parameters.ts";
import { buildForwardModel, openForward, trainsZeroPoint } from "./forward-model.ts";
import { differentiatedInputs } from "./gradient-outputs.ts";
import { withSteps } from "./measure-steps.ts";

/** A node that does not train or that ends the gradient, and why. */
export type Untrainable = GradientStop;

/** What of a quantized model trains. */
export interface TrainingLayout {
  /** The quantized model in its training form with the loss, shapes still open, everything an initializer. */
  forward: Model;
  /** The same at a fixed batch, with what trains as inputs. */
  pinned: Model;
  targets: LossTarget[];
  /** The terms of the loss that a gradient flows from. */
  loss: Loss;
  /** Weights that a gradient reaches, and all activation quantizers, those that none reaches as not trainable. */
  trained: QuantizationState;
  /** Everything that is quantized. */
  whole: QuantizationState;
  parameters: FloatParameter[];
  /** Names of the quantized weights and float parameters that no gradient reaches: they stay as they are. */
  frozen: string[];
  /** Nodes at which the gradient ends. */
  stops: GradientStop[];
  untrainable: Untrainable[];
}

/** What a quantized model and its loss are made of. */
export interface QuantizedParts {
  /** The prepared float model. */
  model: Model;
  plan: QuantizationPlan;
  state: QuantizationState;
  /** Sizes of open dimensions other than the batch, by symbol: those of the data. */
  sizes?: Sizes | undefined;
}

/**
 * Finds what the gradient of a loss reaches. An operator without a gradient ends it there and nowhere else; what is in
 * front of it alone stays as calibration left it. Outputs that nothing trainable leads to are left out of the loss.
 * @throws UserError `unsupported/gradient` where it reaches nothing.
 */
export async function layOutTraining(
  parts: QuantizedParts,
  loss: Loss,
  batch: number,
): Promise<TrainingLayout> {
  const first = await traceLoss(parts, loss, batch);
  const reached = reachedOutputs(first);
  if (loss.model !== undefined) requireLossGradient(loss.model, first.path);
  // What a model computes of several outputs has no terms to leave out.
  const terms =
    loss.model === undefined ? loss.terms.filter(({ output }) => reached.has(output)) : loss.terms;
  if (terms.length === 0) throw nothingReachedError(first.pinned.graph, first.path.stops());
  const kept = terms.length === loss.terms.length ? first : await traceLoss(parts, { ...loss, terms }, batch);
  if (kept.path.values.size === 0) throw nothingReachedError(kept.pinned.graph, kept.path.stops());
  const dropped = new Set(
    loss.terms.map(({ output }) => output).filter((output) => !terms.some((term) => term.output === output)),
  );
  return settleLayout(parts, kept, dropped);
}

/** Least opset of training graphs: gradients of gathers are sums that ScatterElements makes from opset 16 on. */
const trainingOpset = 18;

interface TracedLoss extends Pick<TrainingLayout, "forward" | "pinned" | "targets" | "loss" | "parameters"> {
  path: GradientPath;
}

async function traceLoss(
  { model, plan, state, sizes }: QuantizedParts,
  asked: Loss,
  batch: number,
): Promise<TracedLoss> {
  const loss = await withSteps(model, asked, batch, sizes);
  const built = await buildForwardModel(model, plan, state, loss);
  const targets = await closeTargets(model, built.targets, batch, sizes);
  const forward = withTargetShapes(built.model, targets);
  const { parameters } = built;
  const raised = await runPasses(forward, [raiseOpset(trainingOpset)]);
  const fixed = await flattenIfs(await pinBatch(raised, batch, { open: true, runLoops: true, sizes }));
  const pinned = withScalars(fixed, forward);
  openForward(pinned.graph, state, parameters);
  const path = traceGradient(pinned.graph, {
    loss: "loss",
    parameters: differentiatedInputs(state, parameters),
    weights: Array.from(state.weights.keys(), weightNames),
    opset: pinned.opsets.get("") ?? trainingOpset,
  });
  return { forward, pinned, targets, loss, parameters, path };
}

/** The pinned model with the types of the numbers that the loss is summed from, which are known whatever they follow from. */
function withScalars(pinned: Model, { graph }: Model): Model {
  const valueInfo = new Map(pinned.graph.valueInfo);
  for (const [name, value] of graph.valueInfo)
    if (value.type?.kind === "tensor" && value.type.shape?.length === 0 && valueInfo.has(name))
      valueInfo.set(name, value);
  const outputs = pinned.graph.outputs.map((output) =>
    output.name === "loss" ? createValue("loss", "float32", []) : output,
  );
  return { ...pinned, graph: { ...pinned.graph, valueInfo, outputs } };
}

/** The model's outputs whose values change, differentiably, with something that trains. */
function reachedOutputs({ pinned, path }: TracedLoss): Set<string> {
  const outputs = lossOutputs(pinned.graph).filter(
    ({ value, shape }) => path.reached.has(value) && shape.every((dim) => typeof dim === "number"),
  );
  return new Set(outputs.map(({ name }) => name));
}

async function settleLayout(
  { model, plan, state }: QuantizedParts,
  { path, ...traced }: TracedLoss,
  dropped: ReadonlySet<string>,
): Promise<TrainingLayout> {
  const weights = [...state.weights.values()].filter(({ name }) => path.values.has(weightNames(name).codes));
  const trained: QuantizationState = {
    ...state,
    weights: new Map(weights.map((weight) => [weight.name, weight])),
    activations: new Map(Array.from(state.activations, ([name, each]) => [name, reachedOnly(each, path)])),
  };
  const parameters = traced.parameters.filter(({ name }) => path.values.has(name));
  const still = [...state.weights.keys()].filter((name) => !trained.weights.has(name));
  const fixed = traced.parameters.filter(({ name }) => !path.values.has(name)).map(({ name }) => name);
  return {
    ...traced,
    trained,
    whole: state,
    parameters,
    frozen: [...still, ...fixed],
    pinned: closeInitializers(traced.pinned, traced.forward, [...still.flatMap(namesOf), ...fixed]),
    stops: path.stops(),
    untrainable: [
      ...path.stops().map((stop) => ({ ...stop, reason: `the gradient ends here: ${stop.reason}` })),
      ...unreachedOutputs(model.graph, dropped),
      ...frozenWeights(state, path, still),
      ...collectUntrainable(model.graph, plan),
    ],
  };
}

const namesOf = (weight: string): string[] => {
  const { codes, scale } = weightNames(weight);
  return [codes, scale];
};

/** The model with these inputs as the constants that they are in `source`. */
function closeInitializers(model: Model, source: Model, names: readonly string[]): Model {
  const closed = new Set(names);
  const initializers = new Map(model.graph.initializers);
  for (const name of names) {
    const tensor = source.graph.initializers.get(name);
    if (tensor !== undefined) initializers.set(name, tensor);
  }
  const inputs = model.graph.inputs.filter(({ name }) => !closed.has(name));
  return { ...model, graph: { ...model.graph, initializers, inputs } };
}

/** A quantizer as far as gradients reach it. */
function reachedOnly(activation: QuantizedActivation, path: GradientPath): QuantizedActivation {
  const { scale, zeroPointCodes } = activationNames(activation.name);
  const reached = path.values.has(scale) && (!trainsZeroPoint(activation) || path.values.has(zeroPointCodes));
  return reached ? activation : { ...activation, trainable: false };
}

/** Weights that keep their codes, each with what ends the gradient on its way. */
function frozenWeights(
  state: QuantizationState,
  path: GradientPath,
  names: readonly string[],
): Untrainable[] {
  const causes = path.explain(names.map((name) => weightNames(name).codes));
  return names.flatMap((name) => {
    const weight = state.weights.get(name);
    if (weight === undefined) return [];
    const cause = causes.get(weightNames(name).codes);
    const why =
      cause === undefined
        ? "the loss does not depend on it"
        : `its gradient ends at ${cause.op} "${cause.node}": ${cause.reason}`;
    const reason = `weight "${name}" keeps its calibrated codes: ${why}`;
    return [{ node: weight.nodes[0] ?? name, op: weight.op, reason }];
  });
}

/** Outputs that are no part of the loss, by the node that makes each. */
function unreachedOutputs(graph: Graph, names: ReadonlySet<string>): Untrainable[] {
  const { producer } = indexGraph(graph);
  return Array.from(names, (name) => {
    const node = producer.get(name);
    return {
      node: node?.name ?? name,
      op: node?.opType ?? "input",
      reason: `output "${name}" is left out of the loss: nothing that trains leads to it by a gradient`,
    };
  });
}
