import { usageError } from "../../errors.ts";
import type { Dim, Graph } from "../../ir/model.ts";
import { dtypeOf, requiredInputs, shapeOf } from "../../ir/value-types.ts";
import { type AskedTerm, type LossKind, nameLoss } from "./loss-request.ts";
import { noSequences, sequenceLayout, type SequenceLayout } from "./label-sequences.ts";
import type { LossModel } from "./loss-model.ts";
import { isClassifier, isDistribution, isSequence, lossOutputs } from "./outputs.ts";
import type { LossOutput } from "./ports.ts";
import type { LossTermName } from "./terms.ts";

/** One term of a loss on one output, with its weight; `term` is "onnx" where the loss is a model. */
export interface Term {
  term: LossTermName | "onnx";
  weight: number;
  output: string;
  /** "labels" or an array of the data; default: what the float model gives, and labels for cross-entropy. */
  target?: string | undefined;
  /** The model input that says which positions are no padding. */
  mask?: string | undefined;
  /** Of ctc: how label sequences and the output go together. */
  sequence?: SequenceLayout | undefined;
}

/** Terms of a loss with their weights, and the model that computes it instead, where it is one. */
export interface Loss {
  /** How it was asked for. */
  kind: string;
  terms: Term[];
  model?: LossModel;
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
 * - `auto` without labels, by the kind of each float output: KL of class scores at every place, binary cross-entropy behind a
 *   Sigmoid, smooth L1 of boxes and the like, mean squared error of others, always from the float model.
 * - `cross-entropy`: the labels alone, on the first classifier output.
 * - another name: that distance from the float model, summed over the float outputs.
 * - terms: as they say, of an output each.
 * - a model: what it computes of the outputs that it reads.
 * Positions that a mask among the model's inputs calls padding do not count, but in a model's own loss.
 * Throws a UserError when labels are asked for and not there, or an output that there is not.
 */
export function resolveLoss(graph: Graph, { kind, hasLabels, distill, output }: LossChoice): Loss {
  const outputs = lossOutputs(graph, output);
  if (typeof kind === "object") {
    if (!Array.isArray(kind)) return ofModel(kind as LossModel);
    const asked = kind as readonly AskedTerm[];
    return {
      kind: nameLoss(kind),
      terms: asked.flatMap((each) => askedTerms(graph, each, { outputs, hasLabels })),
    };
  }
  const term = (name: LossTermName, one: LossOutput, weight = 1): Term => ({
    term: name,
    weight,
    output: one.name,
    ...maskFor(graph, one, name),
  });
  if (kind === "ctc") throw noSequences();
  if (kind === "cross-entropy" && !hasLabels) throw noLabels("--loss cross-entropy");
  const classifier = outputs.find(isClassifier);
  if (kind === "cross-entropy")
    return { kind, terms: [term("cross-entropy", classifier ?? (outputs[0] as LossOutput))] };
  if (kind !== "auto") return { kind, terms: outputs.map((one) => term(kind, one)) };
  if (!hasLabels || classifier === undefined)
    return { kind, terms: outputs.map((one) => term(usualTerm(one), one)) };
  const mixed = [term("cross-entropy", classifier, 1 - distill), term("kl", classifier, distill)];
  return { kind, terms: mixed.filter(({ weight }) => weight !== 0) };
}

/** What an output is trained by where nobody says, without labels. */
function usualTerm(output: LossOutput): LossTermName {
  if (isDistribution(output)) return "kl";
  if (output.activation === "Sigmoid") return "bce";
  return isBoxes(output) ? "smooth-l1" : "mse";
}

/** Coordinates, of which a few may be far off: by their name and a last dimension that is a multiple of two. */
const isBoxes = ({ name, shape }: LossOutput): boolean => {
  const width = shape.at(-1);
  return /box|coord|keypoint|landmark/i.test(name) && typeof width === "number" && width % 2 === 0;
};

function askedTerms(
  graph: Graph,
  asked: AskedTerm,
  { outputs, hasLabels }: { outputs: readonly LossOutput[]; hasLabels: boolean },
): Term[] {
  const { term, output, target, weight } = asked;
  if (term === "ctc" && (target === undefined || target === "labels")) throw noSequences();
  const labelled = target === "labels" || (term === "cross-entropy" && target === undefined);
  if (labelled && !hasLabels) throw noLabels(`--loss ${term}${target === undefined ? "" : "@labels"}`);
  const named = outputs.find(({ name }) => name === output);
  if (output !== undefined && named === undefined) {
    throw usageError(
      "loss",
      `--loss names the output "${output}", and the model has no such output of floats that depends on its inputs`,
      "--loss",
      `It has ${outputs.map(({ name }) => `"${name}"`).join(", ")}.`,
    );
  }
  const [first] = outputs as readonly [LossOutput];
  // A target of the data belongs to one output.
  const usual = outputs.find(term === "ctc" ? isSequence : isClassifier) ?? first;
  const unnamed = labelled || target !== undefined ? [usual] : outputs;
  return (named === undefined ? unnamed : [named]).map((each) => ({
    term,
    weight,
    output: each.name,
    ...(target === undefined ? {} : { target }),
    ...maskFor(graph, each, term),
    ...(term === "ctc" ? { sequence: sequenceLayout(graph, each, asked) } : {}),
  }));
}

const ofModel = (model: LossModel): Loss => ({
  kind: "onnx",
  terms: model.outputs.map((output) => ({ term: "onnx", weight: 1, output })),
  model,
});

const maskNames = /(attention|input|token)_?mask|^mask$/i;

/** The mask of padded positions for an output [samples, positions, ...]: an input of its first two dimensions. */
function maskFor(graph: Graph, { shape, classAxis }: LossOutput, term: LossTermName): { mask?: string } {
  const [batch, length] = shape;
  const overClasses = term === "kl" || term === "cross-entropy";
  if (length === undefined || (overClasses && (classAxis ?? shape.length - 1) === 1)) return {};
  const mask = requiredInputs(graph).find(({ name }) => {
    const own = shapeOf(graph, name);
    const counts = /int|bool|float32/.test(dtypeOf(graph, name) ?? "");
    return (
      maskNames.test(name) && counts && own?.length === 2 && isSame(own[0], batch) && isSame(own[1], length)
    );
  });
  return mask === undefined ? {} : { mask: mask.name };
}

const isSame = (a: Dim, b: Dim): boolean => a !== undefined && a === b;

function noLabels(option: string) {
  return usageError(
    "labels",
    "The loss compares with labels, and the data has none",
    option,
    "Use --loss auto, which learns from the float model where there are no labels.",
  );
}
