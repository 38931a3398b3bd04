import { modelError, unsupportedError } from "../errors.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import { dtypeOf, requiredInputs } from "../ir/value-types.ts";
import type { Graph, Model, SparseTensor } from "../ir/model.ts";
import { verifyModel } from "../ir/verify.ts";
import { byteLength, type DataType } from "../tensor/data-type.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { elementCount, type Tensor, viewAs } from "../tensor/tensor.ts";
import { definePass } from "./define-pass.ts";
import { largestConstants } from "./preparation-limits.ts";

const otherFloats = new Set<DataType>(["float16", "bfloat16", "float64"]);

/** Throws where a model is not well-formed, for example has a ring of nodes. Changes nothing. */
export const verifySource = definePass({
  name: "verify-source",
  run(model: Model): Model {
    verifyModel(model);
    return model;
  },
});

/** Throws where a model cannot be worked on at all: weights that are not finite, or not float32. Changes nothing. */
export const checkSource = definePass({
  name: "check-source",
  run(model: Model): Model {
    checkElementTypes(model.graph);
    checkSparse(model);
    const parameters = parameterNames(model.graph);
    for (const [name, tensor] of model.graph.initializers) checkFinite(name, tensor, parameters.has(name));
    return model;
  },
});

function checkElementTypes(graph: Graph): void {
  const ports = requiredInputs(graph).map(({ name }) => ({ name, dtype: dtypeOf(graph, name) }));
  const weights = [...graph.initializers]
    .filter(([, tensor]) => tensor.dims.length >= 2)
    .map(([name, tensor]) => ({ name, dtype: tensor.dtype }));
  const found = [...ports, ...weights].find(({ dtype }) => dtype !== undefined && otherFloats.has(dtype));
  if (found === undefined) return;
  throw unsupportedError(
    "element-type",
    `"${found.name}" is ${found.dtype}; quantization starts from a float32 model`,
    found.name,
    "Export the model in float32 (in PyTorch: model.float() before torch.onnx.export).",
  );
}

/** ONNX Runtime writes out sparse constants when it loads a model, zeros and all. */
function checkSparse(model: Model): void {
  const room = largestConstants(model);
  for (const { name, values, dims } of sparseConstants(model.graph)) {
    const bytes = byteLength(values.dtype, elementCount(dims));
    if (bytes <= room) continue;
    throw unsupportedError(
      "sparse-tensor",
      `The sparse constant "${name}" has ${values.dims[0] ?? 0} values in the file, and written out it takes ${(bytes / 1e9).toPrecision(3)} GB`,
      name,
      "Export the model with dense weights, or with fewer of them.",
    );
  }
}

function sparseConstants(graph: Graph): SparseTensor[] {
  const inNodes = graph.nodes.flatMap((node) => [
    ...[...node.attributes.values()].flatMap((attribute) =>
      attribute.type === "sparse"
        ? [{ ...attribute.value, name: attribute.value.name || (node.outputs[0] ?? "") }]
        : attribute.type === "sparses"
          ? attribute.value
          : [],
    ),
    ...subgraphsOf(node).flatMap(sparseConstants),
  ]);
  return [...graph.sparseInitializers, ...inNodes];
}

/** Constants that weighted layers and normalisations read. */
function parameterNames(graph: Graph): Set<string> {
  const layers = graph.nodes.filter((node) => rowOf(node)?.parameters?.some(({ role }) => role !== "table"));
  return new Set(layers.flatMap((node) => node.inputs));
}

/**
 * Throws model/not-finite when a float32 constant has a NaN in it or, if it is a parameter of a layer, an infinity.
 * Elsewhere infinities are meant (limits, masks), and so is a single NaN.
 */
export function checkFinite(name: string, tensor: Tensor, isParameter: boolean): void {
  if (tensor.dtype !== "float32" || (!isParameter && elementCount(tensor.dims) === 1)) return;
  const values = viewAs(tensor, "float32");
  const isBad = (value: number): boolean => (isParameter ? !Number.isFinite(value) : Number.isNaN(value));
  const bad = values.findIndex(isBad);
  if (bad === -1) return;
  const count = values.reduce((sum, value) => sum + (isBad(value) ? 1 : 0), 0);
  throw modelError(
    "not-finite",
    `Weight "${name}" is not finite in ${count} of its ${values.length} elements; element ${bad} is ${values[bad]}`,
    name,
    "Train or export the model again; a model with such weights gives no usable output.",
  );
}
