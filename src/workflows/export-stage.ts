import { stat } from "node:fs/promises";
import type { Dataset } from "../data/dataset.ts";
import type { Model } from "../ir/model.ts";
import { saveModel } from "../onnx/index.ts";
import { insertQuantizers } from "../quantization/insert.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import type { Report } from "../report/report-data.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { TrainResult } from "../training/train.ts";
import type { RunContext, RuntimeOptions } from "./context.ts";

/** What a deployable model is made of. */
export interface Deployable {
  /** The prepared float model. */
  model: Model;
  plan: QuantizationPlan;
  state: QuantizationState;
  /** Trained float parameters by initializer name; those of the model where absent. */
  parameters?: ReadonlyMap<string, Tensor>;
}

export async function deployedModel(
  deployable: Deployable,
  int4: "container" | "initializer",
  _context: RunContext,
): Promise<Model> {
  const model = {
    ...deployable.model,
    graph: { ...deployable.model.graph, initializers: new Map(deployable.model.graph.initializers) },
  };
  for (const [name, t] of deployable.parameters ?? []) model.graph.initializers.set(name, t);
  return insertQuantizers(model, deployable.plan, deployable.state, { form: "deploy", int4 });
}

/** Writes the deployable model to `out`. */
export async function saveDeployed(
  deployable: Deployable,
  int4: "container" | "initializer",
  out: string,
  context: RunContext,
): Promise<NonNullable<Report["output"]>> {
  await saveModel(await deployedModel(deployable, int4, context), out);
  return { path: out, bytes: (await stat(out)).size };
}

export async function auditStage(_path: string, _options: RuntimeOptions): Promise<Report["audit"]> {
  return undefined;
}
export async function verifyStage(
  _directory: string,
  _trained: TrainResult,
  _out: string,
  _dataset: Dataset,
  _options: RuntimeOptions & { batch?: number },
  _context: RunContext,
): Promise<Report["verification"]> {
  return undefined;
}
