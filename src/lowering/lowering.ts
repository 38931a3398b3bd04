import { InternalError } from "../errors.ts";
import type { Node } from "../ir/model.ts";
import type { Algorithms } from "./algorithms.ts";
import type { GradientBuilder } from "./gradient-builder.ts";

/** Which operators a graph may hold. */
export interface AllowedOperators {
  /** Default-domain operators only. */
  portable: boolean;
  /** Algorithms of operators in nchwc.ts may be chosen by trial. Without `portable` only. Default: false. */
  nchwc?: boolean;
}

export interface LoweringOptions extends AllowedOperators {
  /** Which of several algorithms is taken. */
  algorithms: Algorithms;
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
