import { modelError, usageError } from "../errors.ts";
import { findOutputKinds, type OutputFacts, type OutputKind } from "./output-kinds.ts";
import type { Dim, Model } from "./model.ts";

const kindsOfFloats: ReadonlySet<OutputKind> = new Set<OutputKind>([
  ...(["logits", "probabilities", "log-probabilities", "features", "sequence", "map"] as const),
]);

/** Whether an output holds floats that depend on the inputs, so that distances and losses mean something. */
export const isFloatOutput = ({ kind }: OutputFacts): boolean => kindsOfFloats.has(kind);

/** What a judge of a model's outputs asks for. */
export interface JudgeOptions {
  /** Output to judge; default: with labels the first [samples, classes], else the first float one. */
  output?: string | undefined;
  /** The data have labels. */
  labels?: boolean | undefined;
}

/** A model's outputs, and the one that results are judged by. */
export interface JudgedOutputs {
  judged: OutputFacts;
  /** The others that can be compared. */
  others: OutputFacts[];
}

/**
 * Settles which output of a model a result is judged by: the one asked for; with labels the first that may hold class
 * scores; else the first float one, and where there is none the first of integers.
 * @throws UserError when the model has no such output, or none that can be judged
 */
export function chooseOutputs(
  model: Pick<Model, "graph" | "opsets">,
  { output, labels = false }: JudgeOptions = {},
): JudgedOutputs {
  const plain = findOutputKinds(model);
  const choice = output === undefined ? chooseAmong(plain, labels) : requireOutput(plain, output);
  const labelled = labels && mayHoldClasses(choice) ? choice.name : undefined;
  const all = findOutputKinds(model, { labelled }).filter(({ kind }) => kind !== "other");
  const judged = all.find(({ name }) => name === choice.name) as OutputFacts;
  return { judged, others: all.filter((each) => each !== judged) };
}

/** Whether labels may say which entry of an output should be the largest: [samples, at least two], not a unit vector. */
export function mayHoldClasses({ shape, kind, certain }: OutputFacts): boolean {
  const [, width] = shape ?? [];
  return shape?.length === 2 && width !== 1 && !(kind === "features" && certain) && kind !== "integers";
}

/** The number of classes that an output tells apart, where its shape says so. */
export function classesOf(facts: OutputFacts): number | undefined {
  const width: Dim = facts.shape?.[1];
  return mayHoldClasses(facts) && typeof width === "number" ? width : undefined;
}

function chooseAmong(outputs: readonly OutputFacts[], labels: boolean): OutputFacts {
  const floats = outputs.filter(isFloatOutput);
  const labelled = labels ? floats.find(mayHoldClasses) : undefined;
  const found =
    labelled ??
    floats[0] ??
    outputs.find(({ kind }) => kind === "integers") ??
    outputs.find(({ kind }) => kind === "constant");
  if (found !== undefined) return found;
  throw modelError(
    "no-output",
    "No output of the model is a tensor of numbers, so there is nothing to judge a result by",
    outputs.map(({ name }) => name).join(", "),
    "Export the model up to its last tensor of numbers.",
  );
}

function requireOutput(outputs: readonly OutputFacts[], wanted: string): OutputFacts {
  const found = outputs.find(({ name }) => name === wanted);
  const choices = outputs.filter(({ kind }) => kind !== "other").map(({ name }) => name);
  if (found === undefined || found.kind === "other") {
    const what =
      found === undefined ? `The model has no output "${wanted}"` : `Output "${wanted}" cannot be judged`;
    throw usageError("output", what, "--output", `Choose one of: ${choices.join(", ")}.`);
  }
  return found;
}
