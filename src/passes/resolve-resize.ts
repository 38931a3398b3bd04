import { intsOf, stringOf } from "../ir/attributes.ts";
import { Emitter } from "../ir/emit.ts";
import { cloneModel } from "../ir/clone.ts";
import { shapeOf } from "../ir/value-types.ts";
import type { Dim, Graph, Node } from "../ir/model.ts";
import { floats } from "../tensor/tensor.ts";
import { definePass } from "./define-pass.ts";

/**
 * A Resize whose output sizes are computed (from the shape of its input, for the batch) gets constant scales,
 * where these give the very sizes: the runtime divides sizes to scales in the same way.
 */
export const resolveResize = definePass({
  name: "resolve-resize",
  run(model, context) {
    const result = cloneModel(model);
    const { graph } = result;
    let emit: Emitter | undefined;
    let changed = false;
    for (const node of graph.nodes) {
      if (node.opType !== "Resize" || node.domain !== "") continue;
      const sizes = node.inputs[3] ?? "";
      if (sizes === "" || graph.initializers.has(sizes)) continue;
      const scales = scalesOf(graph, node);
      if (typeof scales === "string") {
        context.refuse(node, scales);
        continue;
      }
      emit ??= new Emitter(graph);
      const name = emit.constant(floats(scales), `${node.outputs[0]}.scales`);
      node.inputs = [node.inputs[0] as string, node.inputs[1] ?? "", name];
      changed = true;
    }
    return changed ? result : model;
  },
});

/** Scales of the resized axes, or why they cannot stand for the sizes. */
function scalesOf(graph: Graph, node: Node): number[] | string {
  if (stringOf(node, "keep_aspect_ratio_policy", "stretch") !== "stretch") return "it keeps an aspect ratio";
  const before = shapeOf(graph, node.inputs[0]);
  const after = shapeOf(graph, node.outputs[0]);
  if (before === undefined || after?.length !== before.length) return "its shapes are unknown";
  const axes = intsOf(node, "axes") ?? before.map((_, axis) => axis);
  const scales: number[] = [];
  for (const axis of axes.map((value) => (value < 0 ? value + before.length : value))) {
    const scale = scaleOf(before[axis], after[axis]);
    if (scale === undefined) return `no constant scale gives the size of axis ${axis}`;
    scales.push(scale);
  }
  return scales;
}

function scaleOf(before: Dim, after: Dim): number | undefined {
  if (before === undefined || before === "") return undefined;
  if (before === after) return 1;
  if (typeof before !== "number" || typeof after !== "number") return undefined;
  const scale = Math.fround(after / before);
  return Math.floor(Math.fround(before * scale)) === after ? scale : undefined;
}
