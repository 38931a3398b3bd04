import type { TargetArrays } from "../../data/targets.ts";
import { dataError, usageError } from "../../errors.ts";
import type { Dim, Graph } from "../../ir/model.ts";
import { requiredInputs } from "../../ir/value-types.ts";
import { nameOpenDims } from "../../passes/bind-inputs.ts";
import type { AskedTerm, LossKind } from "./loss-request.ts";
import type { LossOutput } from "./ports.ts";

/** How label sequences and the scores of an output go together. */
export interface SequenceLayout {
  /** Labels of a sample at most: the width of the target's array. */
  length: number;
  /** Steps of the output; undefined where only its inputs tell. */
  steps?: number | undefined;
  classes: number;
  /** The class that stands between labels. */
  blank: number;
  /** The output's axis of samples: 1 where the steps come first. */
  samplesAxis: 0 | 1;
}

/** The loss with the lengths of the label sequences that its terms compare with, as the data have them. */
export async function withTargetLengths(
  kind: LossKind,
  targets: TargetArrays | undefined,
): Promise<LossKind> {
  if (!isTerms(kind)) return kind;
  const lengthOf = async ({ term, target }: AskedTerm): Promise<number | undefined> => {
    if (term !== "ctc" || target === undefined || targets?.names.includes(target) !== true) return undefined;
    const { dims } = await targets.shapeOf(target);
    const [length = 0, ...more] = dims;
    if (length > 0 && more.length === 0) return length;
    throw dataError(
      "target-shape",
      `The array "${target}" is [samples${dims.map((dim) => `, ${dim}`).join("")}], and label sequences are [samples, length]`,
      target,
      "Give a row of class indices per sample, -1 behind its last label.",
    );
  };
  return Promise.all(kind.map(async (asked) => ({ ...asked, length: await lengthOf(asked) })));
}

const isTerms = (kind: LossKind): kind is readonly AskedTerm[] => Array.isArray(kind);

/** The error of a CTC loss without sequences to compare with: neither labels nor the float model have any. */
export const noSequences = () =>
  usageError(
    "loss",
    "The loss ctc compares with label sequences",
    "--loss ctc",
    "Give them as an array of the data, class indices [samples, length] with -1 behind the last: --loss ctc@NAME.",
  );

/** The layout of an output of scores and its label sequences. Throws a UserError where it is no such output. */
export function sequenceLayout(
  graph: Graph,
  { name, shape, classAxis = 2 }: LossOutput,
  { length = 1, blankLast = false }: Pick<AskedTerm, "length" | "blankLast">,
): SequenceLayout {
  const classes = shape[2];
  if (shape.length !== 3 || classAxis !== 2 || typeof classes !== "number" || classes < 2)
    throw usageError(
      "loss",
      `The loss ctc is of scores [samples, steps, classes] or [steps, samples, classes], and output "${name}" has [${shape.map((dim) => dim ?? "?").join(", ")}]`,
      name,
      "Choose another output: --loss OUTPUT=ctc@NAME.",
    );
  const samplesAxis = samplesAxisOf(graph, shape);
  const steps = shape[1 - samplesAxis];
  return {
    length,
    classes,
    samplesAxis,
    blank: blankLast ? classes - 1 : 0,
    ...(typeof steps === "number" ? { steps } : {}),
  };
}

/** The axis of samples of scores: the second where that alone is the batch of the inputs. */
export function samplesAxisOf(graph: Graph, [first, second]: readonly Dim[]): 0 | 1 {
  const inputs = requiredInputs(graph);
  const { batch } = nameOpenDims(inputs);
  const { type } = inputs[0] ?? {};
  const size = batch ?? (type?.kind === "tensor" ? type.shape?.[0] : undefined);
  return second === size && first !== size ? 1 : 0;
}
