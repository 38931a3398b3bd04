import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import type { ModelInput } from "../data/model-input.ts";
import { modelError, usageError } from "../errors.ts";
import { requiredInputs } from "../ir/value-types.ts";
import type { Model, Value } from "../ir/model.ts";
import { loadModel } from "../onnx/index.ts";
import { elementCount } from "../tensor/tensor.ts";
import type { ModelSection } from "../report/report-data.ts";
import { weightBytes } from "../runtime/open-model.ts";

/** The model a command works on, as it is in its file. */
export interface Source {
  path: string;
  sha256: string;
  /** Size of the file and its external data. */
  bytes: number;
  model: Model;
}

/** Loads a model and what identifies it. */
export async function readSource(path: string): Promise<Source> {
  const model = await loadModel(path);
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  const { size } = await stat(path);
  const weights = weightBytes(model);
  return { path, sha256: hash.digest("hex"), bytes: weights > size ? size + weights : size, model };
}

/** Throws a usage error when writing `out` would overwrite the source. */
export async function refuseOverwriting(source: string, out: string, option = "--out"): Promise<void> {
  const real = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));
  if ((await real(source)) !== (await real(out))) return;
  throw usageError("overwrite", "The output would overwrite the input model", option, "Give another path.");
}

/** The inputs that data must feed; initializers that are listed as inputs are left out. */
export function dataInputs({ graph }: Model): ModelInput[] {
  return requiredInputs(graph).map(({ name, type }) => {
    if (type?.kind === "tensor" && type.shape !== undefined)
      return { name, dtype: type.dtype, shape: type.shape };
    throw modelError(
      "input-type",
      "A model input must be a tensor of known rank",
      `input "${name}"`,
      "Export the model with input shapes.",
    );
  });
}

/** The report's section on a model file. */
export function describeSource({ path, sha256, bytes, model }: Source): ModelSection {
  const { graph } = model;
  const operators: Record<string, number> = {};
  for (const { opType } of graph.nodes) operators[opType] = (operators[opType] ?? 0) + 1;
  const parameters = [...graph.initializers.values()].reduce((sum, { dims }) => sum + elementCount(dims), 0);
  return {
    path,
    sha256,
    bytes,
    producer: [model.producerName, model.producerVersion].filter((part) => part !== "").join(" "),
    opset: model.opsets.get("") ?? 0,
    nodes: graph.nodes.length,
    parameters,
    inputs: dataInputs(model).map(({ name, dtype, shape }) => ({
      name,
      type: dtype,
      shape: shape.map((dim) => dim ?? "?"),
    })),
    outputs: graph.outputs.map(describeValue),
    operators,
  };
}

function describeValue({ name, type }: Value): ModelSection["outputs"][number] {
  if (type?.kind !== "tensor") return { name, type: type?.kind ?? "unknown", shape: [] };
  return { name, type: type.dtype, shape: (type.shape ?? []).map((dim) => dim ?? "?") };
}
