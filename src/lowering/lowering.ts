import { InternalError } from "../errors.ts";
import type { Node } from "../ir/model.ts";
import type { Forms } from "./forms.ts";
import type { GradientBuilder } from "./gradient-builder.ts";

/** Which operators a graph may hold. */
export interface AllowedOperators {
  /** Default-domain operators only. */
  portable: boolean;
  /** Forms of operators in nchwc.ts may be chosen by trial. Without `portable` only. Default: false. */
  nchwc?: boolean;
}

export interface LoweringOptions extends AllowedOperators {
  /** Which of several forms is taken. */
  forms: Forms;
}

/** Emits stock operators for an abstract node and returns the value that is its output. */
export type Lowering = (b: GradientBuilder, node: Node, options: LoweringOptions) => string;

/** Input `index` of an abstract node, which must be there. */
export function inputOf(node: Node, index: number): string {
  const name = node.inputs[index];
  if (name === undefined || name === "")
    throw new InternalError(`${node.opType} "${node.name}" lacks input ${index}`);
  return name;
}
