import type { Node } from "../../ir/model.ts";
import type { OperatorName } from "../operator-names.ts";
import { blockedCatalogue, contribCatalogue } from "./contrib.ts";
import { elementwise, logic } from "./elementwise.ts";
import { movements } from "./movements.ts";
import { others } from "./others.ts";
import { codeOperators, products } from "./products.ts";
import { normalizations, pooling, reductions } from "./reductions.ts";
import type { Movement, OperatorRow } from "./row.ts";

/** What every operator of the default domain is. */
export const catalogue = {
  ...products,
  ...codeOperators,
  ...elementwise,
  ...logic,
  ...reductions,
  ...pooling,
  ...normalizations,
  ...movements,
  ...others,
} satisfies Readonly<Record<OperatorName, OperatorRow>>;

const byDomain: Readonly<Record<string, Readonly<Record<string, OperatorRow>>>> = {
  "": catalogue,
  "com.microsoft": contribCatalogue,
  "com.microsoft.nchwc": blockedCatalogue,
};

/** The row of an operator; undefined for one that neither ONNX nor ONNX Runtime has. */
export function rowOf({ domain, opType }: Pick<Node, "domain" | "opType">): OperatorRow | undefined {
  const rows = Object.hasOwn(byDomain, domain) ? byDomain[domain] : undefined;
  return rows !== undefined && Object.hasOwn(rows, opType) ? rows[opType] : undefined;
}

/** How a node moves elements of one input; undefined where it combines several or computes new ones. */
export function movementOf(node: Node): (Movement & { slot: number }) | undefined {
  const moves = node.domain === "" ? rowOf(node)?.moves : undefined;
  if (moves === undefined || moves.from === "all" || moves.from.length !== 1) return undefined;
  const [slot = 0] = moves.from;
  return moves.refuse?.(node) === undefined ? { ...moves, slot } : undefined;
}

/** Outputs of a node that hold moved elements. */
export const movedOutputs = ({ to }: Movement, { outputs }: Node): string[] =>
  outputs.filter((name, slot) => name !== "" && (to === "all" || to.includes(slot)));
