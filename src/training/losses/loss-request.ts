import { usageError } from "../../errors.ts";
import type { LossModel } from "./loss-model.ts";
import { lossTermNames, type LossTermName } from "./terms.ts";

/** One term of a loss as it is asked for. */
export interface AskedTerm {
  term: LossTermName;
  /** The output it is of; default: all that `term` makes sense on, or the one that is trained on. */
  output?: string;
  /** "labels", or an array of the data; default: what the float model gives, and labels for cross-entropy. */
  target?: string;
  /** Of ctc: the blank is the last class, not the first. */
  blankLast?: boolean;
  /** Of ctc: labels of a sample at most, as the data have them. */
  length?: number | undefined;
  weight: number;
}

/** A loss that is a file of its own, not read yet. */
export interface LossFile {
  file: string;
}

/** What `--loss` may be. `auto`: see `resolveLoss`. */
export type LossKind = "auto" | LossTermName | readonly AskedTerm[] | LossModel;

/** The same as it is given: a model is still a path. */
export type AskedLoss = Exclude<LossKind, LossModel> | LossFile;

/** A loss in one word, for a manifest. */
export function nameLoss(kind: LossKind): string {
  if (typeof kind === "string") return kind;
  return "file" in kind ? "onnx" : "terms";
}

export const isLossFile = (asked: AskedLoss): asked is LossFile =>
  typeof asked === "object" && "file" in asked;

/**
 * `--loss`: auto, one name for all outputs, the path of an ONNX model, or terms [OUTPUT=]NAME[@TARGET][:WEIGHT] separated by
 * commas; ctc may have :blank-last in front of the weight. Throws a usage error that names the part which is none of these.
 */
export function parseLoss(text: string): AskedLoss {
  if (text === "auto") return text;
  const plain = lossTermNames.find((name) => name === text);
  if (plain !== undefined) return plain;
  if (/\.onnx$/i.test(text)) return { file: text };
  return text.split(",").map(parseTerm);
}

function parseTerm(part: string): AskedTerm {
  const text = part.trim();
  const at = text.lastIndexOf("=");
  const [, name = "", target, form, weight] =
    /^([^@:]*)(?:@(.+?))?(?::(blank-last))?(?::([^:@]+))?$/.exec(text.slice(at + 1)) ?? [];
  const term = lossTermNames.find((each) => each === name);
  const factor = weight === undefined ? 1 : Number(weight);
  const formed = form === undefined || term === "ctc";
  if (term !== undefined && formed && factor > 0 && Number.isFinite(factor)) {
    return {
      term,
      weight: factor,
      ...(at > 0 ? { output: text.slice(0, at).trim() } : {}),
      ...(target === undefined ? {} : { target }),
      ...(form === undefined ? {} : { blankLast: true }),
    };
  }
  const what =
    term === undefined
      ? `--loss has the part "${text}", and there is no loss "${name}"`
      : !formed
        ? `--loss has the part "${text}", and ${term} has no form "${form}"`
        : `--loss has the part "${text}", whose weight is no number above 0`;
  throw usageError(
    "loss",
    what,
    "--loss",
    `Give auto, an ONNX model (loss.onnx), or [OUTPUT=]NAME[@TARGET][:WEIGHT] with one of the names ${lossTermNames.join(", ")}.`,
  );
}
