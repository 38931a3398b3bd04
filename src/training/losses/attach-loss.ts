import { InternalError, usageError } from "../../errors.ts";
import { Emitter } from "../../ir/emit.ts";
import { createValue } from "../../ir/graph.ts";
import type { Graph } from "../../ir/model.ts";
import { isClassifier, isDistribution, lossOutputs } from "./outputs.ts";
import { LossBuilder, type LossOutput, type LossTarget } from "./ports.ts";
import { lossTerms, type LossTermName } from "./terms.ts";

/** What `--loss` may be. `auto`: see {@link resolveLoss}. */
export type LossKind = "auto" | LossTermName;

/** Terms of a loss with their weights; each is summed over the outputs it applies to. */
export interface Loss {
  kind: LossKind;
  terms: { term: LossTermName; weight: number; output: string }[];
}

/** A loss as a manifest holds it. */
interface BuiltLoss {
  terms: readonly { term: string; weight: number; output: string }[];
}

export interface LossChoice {
  kind: LossKind;
  hasLabels: boolean;
  /** Share of distillation in the automatic loss with labels. */
  distill: number;
  /** The one output to train on; default: all float outputs. */
  output?: string | undefined;
}

/**
 * Decides what to minimise.
 * - `auto` with labels and a classifier: (1 - distill) * cross-entropy + distill * KL from the float model.
 * - `auto` without labels: KL for outputs that are distributions over classes, mean squared error for other float outputs.
 * - `cross-entropy`: the labels alone, on the first classifier output.
 * - `kl`, `mse`: distance from the float model, summed over the float outputs.
 * Throws a UserError when labels are asked for and not there.
 */
export function resolveLoss(graph: Graph, { kind, hasLabels, distill, output }: LossChoice): Loss {
  const outputs = lossOutputs(graph, output);
  const each = (term: (output: LossOutput) => LossTermName): Loss["terms"] =>
    outputs.map((one) => ({ term: term(one), weight: 1, output: one.name }));
  if (kind === "kl" || kind === "mse") return { kind, terms: each(() => kind) };
  if (kind === "cross-entropy" && !hasLabels) throw noLabels();
  const classifier = outputs.find(isClassifier);
  if (kind === "cross-entropy") {
    return {
      kind,
      terms: [{ term: "cross-entropy", weight: 1, output: (classifier ?? outputs[0])?.name ?? "" }],
    };
  }
  if (!hasLabels || classifier === undefined)
    return { kind, terms: each((one) => (isDistribution(one) ? "kl" : "mse")) };
  const mixed: Loss["terms"] = [
    { term: "cross-entropy", weight: 1 - distill, output: classifier.name },
    { term: "kl", weight: distill, output: classifier.name },
  ];
  return { kind, terms: mixed.filter(({ weight }) => weight !== 0) };
}

/** Appends the loss to `graph` (changed in place) as its first output, `loss`; returns the targets it needs. */
export function attachLoss(graph: Graph, loss: Loss): LossTarget[] {
  const builder = new LossBuilder(new Emitter(graph), graph);
  const total = sumOfTerms(builder, graph, loss, {
    reduce: (value) => builder.mean(value),
    note: (value) => builder.scalar(value),
  });
  builder.emit.node("Identity", [total], { outputs: ["loss"] });
  graph.outputs.unshift(createValue("loss", "float32", []));
  return builder.targets;
}

/** Name of the output of `attachSampleLosses`. */
export const sampleLosses = "loss.samples";

/**
 * Appends the loss of every sample, [samples], to a graph that has the loss already (changed in place). None of the terms
 * is below zero, and neither is what rounding leaves of them here.
 */
export function attachSampleLosses(graph: Graph, loss: BuiltLoss, targets: readonly LossTarget[]): void {
  const builder = new LossBuilder(new Emitter(graph), graph, targets);
  const { emit } = builder;
  const total = sumOfTerms(builder, graph, loss, {
    reduce: (value, output, term) => {
      const rows = samplesFirst(emit, value, batchAxisOf(output, term, targets), output, term);
      return emit.op("Relu", [builder.meanOfRows(emit.op("Flatten", [rows], { axis: 1 }))]);
    },
    note: (value) => value,
  });
  emit.node("Identity", [total], { outputs: [sampleLosses] });
  graph.outputs.push(createValue(sampleLosses, "float32", undefined));
}

/** Terms that sum over the classes of every place, so that their values have no such axis. */
const overClasses: ReadonlySet<LossTermName> = new Set<LossTermName>(["kl", "cross-entropy"]);

/** The axis of samples in the values of a term: the open one of what it is compared with. */
function batchAxisOf(
  { name, shape, classAxis }: LossOutput,
  term: LossTermName,
  targets: readonly LossTarget[],
): number {
  const target = targets.find(({ source }) => source.from === "teacher" && source.output === name);
  const axis = target?.shape.findIndex((dim) => typeof dim === "string") ?? 0;
  const classes = classAxis ?? shape.length - 1;
  return Math.max(0, overClasses.has(term) && classes < axis ? axis - 1 : axis);
}

function samplesFirst(
  emit: Emitter,
  value: string,
  axis: number,
  { shape }: LossOutput,
  term: LossTermName,
): string {
  if (axis === 0) return value;
  const rank = shape.length - (overClasses.has(term) ? 1 : 0);
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
    reduce: (value: string, output: LossOutput, term: LossTermName) => string;
    note: (value: string) => string;
  },
): string {
  const outputs = lossOutputs(graph);
  const values = terms.map(({ term, weight, output: name }) => {
    const output = outputs.find((candidate) => candidate.name === name) as LossOutput;
    const row = Object.hasOwn(lossTerms, term) ? lossTerms[term as LossTermName] : undefined;
    if (row === undefined) throw new InternalError(`no loss term "${term}"`);
    const value = reduce(row.emit(builder, output), output, term as LossTermName);
    return weight === 1 ? value : note(builder.emit.op("Mul", [value, builder.number(weight)]));
  });
  return values.reduce((sum, value) => note(builder.emit.op("Add", [sum, value])));
}

/** The largest difference between two values of a loss, of the size of `value`, that rounding in float32 explains. */
export function roundingOf(terms: readonly { term: string; weight: number }[], value: number): number {
  const absolute = terms.map(({ term, weight }) =>
    Object.hasOwn(lossTerms, term) ? weight * lossTerms[term as LossTermName].rounding : 0,
  );
  return absolute.reduce((sum, part) => sum + part, 2 ** -20 * Math.abs(value));
}

function noLabels() {
  return usageError(
    "labels",
    "The cross-entropy loss needs labels, and the data has none",
    "--loss cross-entropy",
    "Use --loss auto, which learns from the float model where there are no labels.",
  );
}
