import { InternalError } from "../../errors.ts";
import type { Emitter } from "../../ir/emit.ts";
import { createValue } from "../../ir/graph.ts";
import type { Graph, Model } from "../../ir/model.ts";
import { inlineLoss } from "./inline-loss.ts";
import { lossOutputs } from "./outputs.ts";
import { LossBuilder, type LossOutput, type LossTarget, type TermPorts, type TermValues } from "./ports.ts";
import type { Loss } from "./resolve-loss.ts";
import { lossTermOf } from "./terms.ts";

/** A loss as a manifest holds it. */
interface BuiltLoss {
  terms: readonly ({ term: string; weight: number; output: string } & TermPorts)[];
}

/** What a loss becomes part of: a graph, and the operator sets that say how it is written. */
type Attached = Pick<Model, "graph" | "opsets">;

/** Appends the loss to a graph (changed in place) as its first output, `loss`; returns the targets it needs. */
export function attachLoss(model: Attached, loss: Loss): LossTarget[] {
  const { graph } = model;
  const builder = new LossBuilder(model);
  const total =
    loss.model === undefined
      ? sumOfTerms(builder, graph, loss, {
          reduce: (values) => meanOf(builder, values),
          note: (value) => builder.scalar(value),
        })
      : inlineLoss(builder, graph, loss.model);
  builder.emit.node("Identity", [total], { outputs: ["loss"] });
  graph.outputs.unshift(createValue("loss", "float32", []));
  return builder.targets;
}

/** The mean of values, each counted as often as its weight says; 0 where none counts. */
function meanOf(builder: LossBuilder, { values, weights }: TermValues): string {
  if (weights === undefined) return builder.mean(values);
  const { emit } = builder;
  const sum = builder.scalar(emit.op("ReduceSum", [emit.op("Mul", [values, weights])], { keepdims: 0 }));
  const count = builder.scalar(emit.op("ReduceSum", [weights], { keepdims: 0 }));
  return builder.scalar(emit.op("Div", [sum, emit.op("Max", [count, builder.number(1)])]));
}

/** Name of the output of `attachSampleLosses`. */
export const sampleLosses = "loss.samples";

/** Whether the losses of samples can be computed beside the loss: that of a model is of the whole batch. */
export const hasSampleLosses = ({ terms }: BuiltLoss): boolean => terms.every(({ term }) => term !== "onnx");

/**
 * Appends the loss of every sample, [samples], to a graph that has the loss already (changed in place). None of the terms
 * is below zero, and neither is what rounding leaves of them here.
 */
export function attachSampleLosses(model: Attached, loss: BuiltLoss, targets: readonly LossTarget[]): void {
  const { graph } = model;
  const builder = new LossBuilder(model, targets);
  const { emit } = builder;
  const total = sumOfTerms(builder, graph, loss, {
    reduce: ({ values, weights }, output, term) => {
      const rows = (value: string): string => {
        const first = samplesFirst(emit, value, batchAxisOf(output, term, targets), output, term);
        return emit.op("Flatten", [first], { axis: 1 });
      };
      if (weights === undefined) return emit.op("Relu", [builder.meanOfRows(rows(values))]);
      const sum = builder.sum(rows(emit.op("Mul", [values, weights])), -1);
      const count = builder.sum(rows(weights), -1);
      return emit.op("Relu", [emit.op("Div", [sum, emit.op("Max", [count, builder.number(1)])])]);
    },
    note: (value) => value,
  });
  emit.node("Identity", [total], { outputs: [sampleLosses] });
  graph.outputs.push(createValue(sampleLosses, "float32", undefined));
}

/** Whether a term's values have no axis of classes. */
const isOverClasses = (term: string): boolean => lossTermOf(term)?.overClasses === true;

/** The axis of samples in the values of a term: the open one of what it is compared with. */
function batchAxisOf(
  { name, shape, classAxis }: LossOutput,
  term: string,
  targets: readonly LossTarget[],
): number {
  if (lossTermOf(term)?.bySample === true) return 0;
  const target = targets.find(({ source }) => source.from === "teacher" && source.output === name);
  const axis = target?.shape.findIndex((dim) => typeof dim === "string") ?? 0;
  const classes = classAxis ?? shape.length - 1;
  return Math.max(0, isOverClasses(term) && classes < axis ? axis - 1 : axis);
}

function samplesFirst(
  emit: Emitter,
  value: string,
  axis: number,
  { shape }: LossOutput,
  term: string,
): string {
  if (axis === 0) return value;
  const rank = shape.length - (isOverClasses(term) ? 1 : 0);
  const others = Array.from({ length: rank }, (_, each) => each).filter((each) => each !== axis);
  return emit.op("Transpose", [value], { perm: [axis, ...others] });
}

function sumOfTerms(
  builder: LossBuilder,
  graph: Graph,
  { terms }: BuiltLoss,
  {
    reduce,
    note,
  }: {
    reduce: (values: TermValues, output: LossOutput, term: string) => string;
    note: (value: string) => string;
  },
): string {
  const outputs = lossOutputs(graph);
  const values = terms.map(({ term, weight, output: name, ...ports }) => {
    const output = outputs.find((candidate) => candidate.name === name) as LossOutput;
    const row = lossTermOf(term);
    if (row === undefined) throw new InternalError(`no loss term "${term}"`);
    const value = reduce(row.emit(builder, output, ports), output, term);
    return weight === 1 ? value : note(builder.emit.op("Mul", [value, builder.number(weight)]));
  });
  return values.reduce((sum, value) => note(builder.emit.op("Add", [sum, value])));
}

/** The largest difference between two values of a loss, of the size of `value`, that rounding in float32 explains. */
export function roundingOf(terms: readonly { term: string; weight: number }[], value: number): number {
  const absolute = terms.map(({ term, weight }) => weight * (lossTermOf(term)?.rounding ?? 0));
  return absolute.reduce((sum, part) => sum + part, 2 ** -20 * Math.abs(value));
}
