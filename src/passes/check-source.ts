import { modelError, unsupportedError } from "../errors.ts";
import type { Graph, Model } from "../ir/model.ts";
import type { DataType } from "../tensor/data-type.ts";
import { type Tensor, viewAs } from "../tensor/tensor.ts";
import { definePass } from "./define-pass.ts";
import { requiredInputs } from "./bind-inputs.ts";

const otherFloats = new Set<DataType>(["float16", "bfloat16", "float64"]);

/** Throws where a model cannot be worked on at all: weights that are not finite, or not float32. Changes nothing. */
export const checkSource = definePass({
  name: "check-source",
  run(model: Model): Model {
    checkElementTypes(model.graph);
    for (const [name, tensor] of model.graph.initializers) checkFinite(name, tensor);
    return model;
  },
});

function checkElementTypes(graph: Graph): void {
  const ports = requiredInputs(graph).map(({ name, type }) => ({
    name,
    dtype: type?.kind === "tensor" ? type.dtype : undefined,
  }));
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

/** Throws model/not-finite when a float32 tensor has a NaN or an infinity in it. Limits of Clip and masks are scalars and may be infinite. */
export function checkFinite(name: string, tensor: Tensor): void {
  if (tensor.dtype !== "float32" || tensor.dims.length === 0) return;
  const values = viewAs(tensor, "float32");
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad === -1) return;
  const count = values.reduce((sum, value) => sum + (Number.isFinite(value) ? 0 : 1), 0);
  throw modelError(
    "not-finite",
    `Weight "${name}" has ${count} values that are not finite; element ${bad} is ${values[bad]}`,
    name,
    "Train or export the model again; a model with such weights gives no usable output.",
  );
}
