import { modelError, unsupportedError } from "../errors.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import { sourceTypeOf } from "../ir/source-type.ts";
import type { Graph, Model, SparseTensor } from "../ir/model.ts";
import { verifyModel } from "../ir/verify.ts";
import { byteLength } from "../tensor/data-type.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { elementCount, type Tensor, viewAs } from "../tensor/tensor.ts";
import { definePass } from "./define-pass.ts";
import { largestConstants } from "./preparation-limits.ts";

/** Throws where a model is not well-formed, for example has a ring of nodes. Changes nothing. */
export const verifySource = definePass({
  name: "verify-source",
  run(model: Model): Model {
    verifyModel(model);
    return model;
  },
});

/** Throws where a model cannot be worked on at all: weights that are not finite, or ports of types that cannot be fed. Changes nothing. */
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

/** ONNX Runtime's binding carries no bfloat16 in or out, so that nothing could be measured or verified. */
function checkElementTypes(graph: Graph): void {
  const found = [...graph.inputs, ...graph.outputs].find((value) => sourceTypeOf(value) === "bfloat16");
  if (found === undefined) return;
  throw unsupportedError(
    "element-type",
    `"${found.name}" is bfloat16, which ONNX Runtime's JavaScript binding takes neither in nor out`,
    found.name,
    "Export the model with float32 or float16 inputs and outputs; bfloat16 within it is no matter.",
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
