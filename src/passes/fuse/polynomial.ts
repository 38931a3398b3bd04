import type { Node } from "../../ir/model.ts";
import type { GraphEdit } from "../edit-graph.ts";
import { numberOf } from "./match.ts";

/** Coefficients by power, from the constant one. */
export type Polynomial = readonly number[];

export interface PolynomialOf {
  coefficients: Polynomial;
  /** The nodes that compute it. */
  parts: ReadonlySet<Node>;
}

/** Deeper than exporters nest a polynomial of the third degree. */
const mostLevels = 8;

/**
 * Reads what computes `value` backwards as a polynomial in `x`, in whatever order sums and products stand; undefined where
 * it is none.
 */
export function polynomialIn(edit: GraphEdit, value: string, x: string): PolynomialOf | undefined {
  const parts = new Set<Node>();
  const read = (name: string, level: number): Polynomial | undefined => {
    if (name === x) return [0, 1];
    const constant = numberOf(edit.graph, name);
    if (constant !== undefined) return [constant];
    const node = edit.producer(name);
    if (node?.domain !== "" || level === 0) return undefined;
    parts.add(node);
    const [left, right] = node.inputs.map((input) => read(input, level - 1));
    return left && right && node.inputs.length === 2 ? combine(node.opType, left, right) : undefined;
  };
  const coefficients = read(value, mostLevels);
  return coefficients && { coefficients, parts };
}

function combine(opType: string, left: Polynomial, right: Polynomial): Polynomial | undefined {
  const [by = 0] = right;
  switch (opType) {
    case "Add":
      return sum(left, right);
    case "Sub":
      return sum(
        left,
        right.map((value) => -value),
      );
    case "Mul":
      return product(left, right);
    case "Div":
      return right.length === 1 ? left.map((value) => value / by) : undefined;
    case "Pow":
      return right.length === 1 && (by === 2 || by === 3) ? power(left, by) : undefined;
    default:
      return undefined;
  }
}

const sum = (a: Polynomial, b: Polynomial): Polynomial =>
  Array.from({ length: Math.max(a.length, b.length) }, (_, i) => (a[i] ?? 0) + (b[i] ?? 0));

/** Undefined beyond the third degree. */
function product(a: Polynomial, b: Polynomial): Polynomial | undefined {
  const degree = a.length + b.length - 1;
  if (degree > 4) return undefined;
  return Array.from({ length: degree }, (_, i) =>
    a.reduce((total, value, j) => total + value * (b[i - j] ?? 0), 0),
  );
}

function power(base: Polynomial, exponent: number): Polynomial | undefined {
  const square = product(base, base);
  return exponent === 2 ? square : square && product(square, base);
}
