import { gradientName, valueOfCodes } from "../ir/derived-names.ts";
import { createValue } from "../ir/graph.ts";
import { isFloat } from "../tensor/data-type.ts";
import type { ForwardGraph, WeightRequest } from "./forward-graph.ts";
import type { GradientBuilder } from "../lowering/gradient-builder.ts";

/**
 * Gives each wanted gradient the name `X.grad` (a quantized weight's: `W.grad` for codes `W.codes`), and zeros
 * to what the loss does not depend on. Returns the names by parameter.
 */
export function nameGradients(
  build: GradientBuilder,
  forward: ForwardGraph,
  leaves: ReadonlySet<string>,
  weights: readonly WeightRequest[],
  totalOf: (name: string) => string | undefined,
): Map<string, string> {
  const requests = new Map(weights.map((weight) => [weight.codes, weight]));
  const made = new Set(
    build.emitter.graph.nodes.slice(forward.graph.nodes.length).flatMap((node) => node.outputs),
  );
  const renamed = new Map<string, string>();
  const result = new Map<string, string>();
  for (const leaf of leaves) {
    const request = requests.get(leaf);
    const value = totalOf(leaf) ?? zeros(build, forward, leaf, request);
    const name = build.emitter.fresh(gradientName(valueOfCodes(leaf)));
    if (made.has(value) && !renamed.has(value)) renamed.set(value, name);
    else build.emitter.op("Identity", [value], {}, { outputs: [name], name });
    result.set(leaf, name);
    if (request === undefined) recordType(build, forward, leaf, name);
  }
  rename(build, renamed);
  return result;
}

function rename(build: GradientBuilder, renamed: ReadonlyMap<string, string>): void {
  const { graph } = build.emitter;
  for (const node of graph.nodes) {
    node.inputs = node.inputs.map((name) => renamed.get(name) ?? name);
    node.outputs = node.outputs.map((name) => renamed.get(name) ?? name);
  }
  for (const name of renamed.keys()) graph.valueInfo.delete(name);
}

function recordType(build: GradientBuilder, forward: ForwardGraph, leaf: string, name: string): void {
  const type = forward.typeOf(leaf);
  if (type === undefined) return;
  const dtype = isFloat(type.dtype) ? type.dtype : "float32";
  build.emitter.graph.valueInfo.set(name, createValue(name, dtype, type.shape));
}

/** The gradient of a parameter that the loss does not depend on. */
function zeros(
  build: GradientBuilder,
  forward: ForwardGraph,
  leaf: string,
  request: WeightRequest | undefined,
): string {
  const { shape, dtype } = forward.require(leaf);
  const float = isFloat(dtype) ? dtype : "float32";
  if (request === undefined) return build.op("Expand", [build.scalar(0, float), build.ints(shape)]);
  const axis = forward.weightAxis(leaf) ?? 0;
  const rest = shape.filter((_, i) => i !== axis);
  const count = build.op("Shape", [request.rows]);
  const whole = build.op("Concat", [count, build.ints(rest)], { axis: 0 });
  return build.op("Expand", [build.scalar(0), whole]);
}
