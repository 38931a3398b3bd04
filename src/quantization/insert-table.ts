import type { Node } from "../ir/model.ts";
import { dtypeOf, shapeOf } from "../ir/value-types.ts";
import { floats, tensorOf } from "../tensor/tensor.ts";
import { dataTypes } from "../tensor/data-type.ts";
import { addConstant, claim, makeNode } from "./graph-editor.ts";
import type { Insertion } from "./insertion.ts";
import type { QuantizedWeight } from "./types.ts";

/**
 * Replaces the table W of Gather nodes, [entries, width], by `W.codes` (int8) and `W.scale` [entries, 1]. Rows of both
 * are gathered and multiplied. With a DequantizeLinear in front of the Gather, ONNX Runtime would dequantize the whole
 * table in every run.
 */
export function insertTable(insertion: Insertion, table: QuantizedWeight): void {
  const { graph } = insertion;
  const { name, scale } = table;
  graph.initializers.delete(name);
  const codes = addConstant(insertion, `${name}.codes`, tensorOf("int8", table.shape, table.codes));
  const scales = addConstant(insertion, `${name}.scale`, floats(scale, [scale.length, 1]));
  const readers = new Set(table.nodes);
  graph.nodes = graph.nodes.flatMap((node) =>
    readers.has(node.name) ? gatherCodes(insertion, node, codes, scales) : [node],
  );
}

function gatherCodes(insertion: Insertion, node: Node, codes: string, scales: string): Node[] {
  const { graph } = insertion;
  const [, indices = ""] = node.inputs;
  const [output = ""] = node.outputs;
  const shape = shapeOf(graph, output);
  const entries = shape === undefined ? undefined : [...shape.slice(0, -1), 1];
  const part = (
    opType: string,
    inputs: string[],
    suffix: string,
    dtype: "int8" | "float32",
    dims: typeof shape,
    attributes: Record<string, number>,
  ): Node => {
    const name = claim(insertion, `${output}.${suffix}`);
    const value = { name, dtype, shape: dims };
    return makeNode(insertion, opType, inputs, value, { name: `${node.name}.${suffix}`, attributes });
  };
  const rows = part("Gather", [codes, indices], "codes", "int8", shape, { axis: 0 });
  const steps = part("Gather", [scales, indices], "scale", "float32", entries, { axis: 0 });
  const values = part("Cast", [...rows.outputs], "values", "float32", shape, { to: dataTypes.float32.code });
  const product = makeNode(
    insertion,
    "Mul",
    [...values.outputs, ...steps.outputs],
    { name: output, dtype: dtypeOf(graph, output) ?? "float32", shape },
    { name: `${node.name}.dequantize` },
  );
  return [rows, steps, values, product];
}
