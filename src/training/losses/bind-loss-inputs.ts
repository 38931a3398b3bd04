import type { TargetArrays } from "../../data/targets.ts";
import { modelError, type UserError } from "../../errors.ts";
import type { Dim, Graph, Value } from "../../ir/model.ts";
import { requiredInputs } from "../../ir/value-types.ts";
import type { DataType } from "../../tensor/data-type.ts";
import type { TargetSource } from "./ports.ts";

/** What feeds an input of a model that is a loss or a metric: an output of the judged model, or a target. */
export type BoundSource = { from: "output"; output: string } | TargetSource;

/** An input of such a model with what feeds it, in the shape that this has. */
export interface BoundInput {
  name: string;
  type: DataType;
  shape: (number | string)[];
  source: BoundSource;
}

/** An output of the judged model; of floats unless another type is said. */
interface BoundOutput {
  name: string;
  shape: readonly Dim[];
  type?: DataType;
}

interface Wanted {
  name: string;
  type: DataType;
  shape: readonly Dim[] | undefined;
}

/** What targets there are. */
export interface TargetChoice {
  hasLabels: boolean;
  targets: TargetArrays | undefined;
  /** The file, for errors. */
  file: string;
}

/**
 * Finds what feeds the inputs of a loss: by name outputs of the model ("y"), what the float model gives ("y.teacher"),
 * labels ("labels") and arrays of the data; the others in order, outputs first and then targets: labels where the input
 * holds integers, else what the float model gives for the outputs in the same order.
 */
export async function bindLossInputs(
  loss: Graph,
  outputs: readonly BoundOutput[],
  choice: TargetChoice,
): Promise<BoundInput[]> {
  const wanted = requiredInputs(loss).map((value) => readInput(value, choice.file));
  const sources = nameSources(wanted, outputs, choice);
  const bound: BoundInput[] = [];
  for (const input of wanted) {
    const source = sources.get(input);
    if (source === undefined) throw unfed(input, outputs, choice);
    bound.push(await fit(input, source, outputs, choice));
  }
  if (bound.some(({ source }) => source.from === "output")) return bound;
  throw modelError(
    "loss",
    "None of its inputs takes an output of the model",
    choice.file,
    `Name one of its inputs after the output: ${outputs.map(({ name }) => name).join(", ")}.`,
  );
}

function readInput({ name, type }: Value, file: string): Wanted {
  if (type?.kind === "tensor") return { name, type: type.dtype, shape: type.shape };
  throw modelError("loss", `Its input "${name}" is no tensor`, file, "Give tensors to it.");
}

const isInteger = ({ type }: Wanted): boolean => /^u?int/.test(type) || type === "bool";

function nameSources(
  wanted: readonly Wanted[],
  outputs: readonly BoundOutput[],
  { hasLabels, targets }: TargetChoice,
): Map<Wanted, BoundSource> {
  const sources = new Map<Wanted, BoundSource>();
  const isOutput = (name: string): boolean => outputs.some((output) => output.name === name);
  for (const input of wanted) {
    const { name } = input;
    const taught = name.replace(/\.teacher$/, "");
    if (isOutput(name)) sources.set(input, { from: "output", output: name });
    else if (targets?.names.includes(name) === true) sources.set(input, { from: "data", array: name });
    else if (taught !== name && isOutput(taught)) sources.set(input, { from: "teacher", output: taught });
    else if (name === "labels" && hasLabels) sources.set(input, { from: "labels" });
  }
  const taken = new Set([...sources.values()].map((source) => ("output" in source ? source.output : "")));
  const free = outputs.filter(({ name }) => !taken.has(name));
  const rest = wanted.filter((input) => !sources.has(input));
  const floats = taken.size === 0 ? rest.filter((input) => !isInteger(input)) : [];
  // Without any other target, half of the floats are what the outputs are compared with.
  const compared = sources.size > 0 || rest.some(isInteger);
  const count = compared ? floats.length : Math.ceil(floats.length / 2);
  floats.slice(0, Math.min(count, free.length)).forEach((input, at) => {
    sources.set(input, { from: "output", output: (free[at] as BoundOutput).name });
  });
  const read = [...sources.values()].flatMap((source) => (source.from === "output" ? [source.output] : []));
  let next = 0;
  for (const input of wanted) {
    if (sources.has(input)) continue;
    if (isInteger(input) && hasLabels) sources.set(input, { from: "labels" });
    else if (!isInteger(input) && next < read.length)
      sources.set(input, { from: "teacher", output: read[next++] as string });
  }
  return sources;
}

/** The input in the shape of its source, which must fit what it declares. */
async function fit(
  input: Wanted,
  source: BoundSource,
  outputs: readonly BoundOutput[],
  { targets, file }: TargetChoice,
): Promise<BoundInput> {
  const batch = outputs[0]?.shape[0];
  const dims = await shapeOf(source, outputs, targets);
  const shape = dims.map((dim, axis) => dim ?? (axis === 0 ? (batch ?? "batch") : `${input.name}.${axis}`));
  const isOutput = source.from === "output" || source.from === "teacher";
  const type = (isOutput ? outputs.find(({ name }) => name === source.output)?.type : undefined) ?? "float32";
  const fits =
    input.shape === undefined ||
    (input.shape.length === shape.length &&
      input.shape.every(
        (dim, axis) => typeof dim !== "number" || shape[axis] === dim || isOpen(shape[axis], axis),
      ));
  const typed = isOutput ? input.type === type : source.from === "labels" ? isInteger(input) : true;
  if (fits && typed) return { name: input.name, type: input.type, shape, source };
  const is = `${isOutput ? type : source.from === "labels" ? "int64" : input.type} [${shape.join(", ")}]`;
  const own = `${input.type} [${(input.shape ?? ["?"]).map((dim) => dim ?? "?").join(", ")}]`;
  throw modelError(
    "loss",
    `Its input "${input.name}" is ${own}, and ${describe(source)} is ${is}`,
    file,
    "Export it with an open first dimension and the shapes of what it reads.",
  );
}

/** Sizes that only data tell may be what the loss wants; the batch must be open in both. */
const isOpen = (dim: number | string | undefined, axis: number): boolean =>
  typeof dim === "string" && axis > 0;

async function shapeOf(
  source: BoundSource,
  outputs: readonly BoundOutput[],
  targets: TargetArrays | undefined,
): Promise<readonly Dim[]> {
  const batch = outputs[0]?.shape[0];
  if (source.from === "labels") return [batch];
  if (source.from === "data") return [batch, ...((await targets?.shapeOf(source.array))?.dims ?? [])];
  return outputs.find(({ name }) => name === source.output)?.shape ?? [];
}

function describe(source: BoundSource): string {
  switch (source.from) {
    case "labels":
      return "the labels";
    case "data":
      return `the array "${source.array}"`;
    default:
      return `output "${source.output}"`;
  }
}

function unfed({ name }: Wanted, outputs: readonly BoundOutput[], choice: TargetChoice): UserError {
  const named = outputs.flatMap((output) => [output.name, `${output.name}.teacher`]);
  const known = [...named, ...(choice.hasLabels ? ["labels"] : []), ...(choice.targets?.names ?? [])];
  return modelError(
    "loss",
    `Nothing feeds its input "${name}"`,
    choice.file,
    `Name its inputs after what they take: ${known.map((each) => `"${each}"`).join(", ")}. Arrays come with the data (--targets).`,
  );
}
