import type { GraphIndex } from "./graph.ts";
import type { Dim, Graph, Node, Value } from "./model.ts";

/** What an output [samples, width] most likely is, and why. */
export interface Hint {
  kind: "logits" | "features";
  because: string;
}

/** Names that exporters and authors give; matched as words within a name. */
const nameHints: readonly [RegExp, Hint["kind"]][] = [
  [/emb|feat|pool|hidden|latent|represent|descriptor|vector/i, "features"],
  [/box|landmark|keypoint|pose|offset|coord|angle|regress/i, "features"],
  [/logit|class|prob|score/i, "logits"],
];

/** What the name of an output tells. */
export function hintOf(name: string): Hint | undefined {
  const kind = nameHints.find(([pattern]) => pattern.test(name))?.[1];
  return kind === undefined ? undefined : { kind, because: `it is named "${name}"` };
}

/** Operators that end in sums of products, with or without a mean over places. */
const linear = new Set(["Gemm", "MatMul", "Conv", "Add", "GlobalAveragePool", "AveragePool", "ReduceMean"]);

/**
 * What the end of the graph tells: class scores are sums of products of an image or of tokens. Vectors of such sums that
 * are multiples of 64 wide are embeddings by custom (128, 384, 512, 768), and numbers of classes hardly ever are.
 */
export function finalOperators(
  last: Node | undefined,
  width: Dim,
  inputs: readonly Value[],
  graph: Graph,
): Hint {
  const features = (because: string): Hint => ({ kind: "features", because });
  if (last === undefined || !linear.has(last.opType))
    return features(`${last?.opType ?? "an input"} ends it`);
  if (last.opType === "Add" && !addsBias(last, graph)) return features("Add ends it");
  if (typeof width !== "number") return features("its width is not known");
  if (width % 64 === 0) return features(`it is ${width} wide, a multiple of 64, as embeddings are`);
  if (inputs.some(isImageOrTokens)) return { kind: "logits", because: `${last.opType} ends it` };
  return features("no input is an image or text");
}

function addsBias({ inputs }: Node, { initializers }: Graph): boolean {
  return inputs.some((name) => initializers.has(name));
}

function isImageOrTokens({ type }: Value): boolean {
  if (type?.kind !== "tensor") return false;
  const rank = type.shape?.length ?? 0;
  return rank === 4 || (rank === 2 && (type.dtype === "int64" || type.dtype === "int32"));
}

/** Operators that only hand the quotient on. */
const handed = new Set(["Identity", "QuantizeLinear", "DequantizeLinear", "Cast", "Clip", "Flatten"]);
const norms = new Set(["ReduceL1", "ReduceL2", "ReduceSumSquare"]);

/** Whether a value is x / |x|: LpNormalization, or x divided by (or multiplied with one over) a norm of x. */
export function isNormalised(name: string, { producer }: GraphIndex): boolean {
  let last = producer.get(name);
  while (last !== undefined && handed.has(last.opType)) last = producer.get(last.inputs[0] ?? "");
  if (last?.opType === "LpNormalization") return true;
  const [x = "", by = ""] = last?.inputs ?? [];
  if (last?.opType === "Div") return isNormOf(x, by, producer);
  return last?.opType === "Mul" && (isNormOf(x, by, producer) || isNormOf(by, x, producer));
}

/** Most nodes between x and its norm: a power, a sum, a root, a bound, an expansion to the shape of x. */
const mostNodes = 12;

/** Whether `norm` is made of `x` by way of a sum of its powers. */
function isNormOf(x: string, norm: string, producer: ReadonlyMap<string, Node>): boolean {
  const seen = new Set<Node>();
  const open = [norm];
  let reached = false;
  while (open.length > 0 && seen.size < mostNodes) {
    const name = open.shift() as string;
    if (name === x) reached = true;
    const node = name === x ? undefined : producer.get(name);
    if (node === undefined || seen.has(node)) continue;
    seen.add(node);
    open.push(...node.inputs);
  }
  const operators = new Set(Array.from(seen, ({ opType }) => opType));
  const sums = operators.has("ReduceSum") && operators.has("Sqrt");
  return reached && (sums || [...norms].some((operator) => operators.has(operator)));
}
