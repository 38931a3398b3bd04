import { classTerms } from "./class-terms.ts";
import { sequenceTerms } from "./ctc.ts";
import { valueTerms } from "./value-terms.ts";
import type { LossTerm } from "./ports.ts";

/** Terms by name. To add one, add a row to the table of its kind. */
export const lossTerms = { ...classTerms, ...sequenceTerms, ...valueTerms } satisfies Record<
  string,
  LossTerm
>;

export type LossTermName = keyof typeof lossTerms;

export const lossTermNames = Object.keys(lossTerms) as LossTermName[];

/** The row of a term; undefined where there is none of that name. */
export const lossTermOf = (name: string): LossTerm | undefined =>
  Object.hasOwn(lossTerms, name) ? lossTerms[name as LossTermName] : undefined;
