import { join } from "node:path";
import type { Dataset } from "../data/dataset.ts";
import { auditKernels } from "../export/audit.ts";
import { type ExportedModel, exportModel } from "../export/export-model.ts";
import { bindParameters, buildReference } from "../export/reference-model.ts";
import { verifyExport } from "../export/verify-export.ts";
import type { JudgedOutputs } from "../ir/judged-output.ts";
import type { Model } from "../ir/model.ts";
import { explainWriteError } from "../atomic-file.ts";
import { UserError } from "../errors.ts";
import { loadModel, type StagedModel, stageModel } from "../onnx/index.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import type { Report } from "../report/report-data.ts";
import { type Tensor, tensorOf, viewAs } from "../tensor/tensor.ts";
import { artifactFiles } from "../training/artifact/manifest.ts";
import { loadBest } from "../training/trainer/run-checkpoint.ts";
import type { RunContext, RuntimeOptions } from "./context.ts";
import { enlargedWarnings } from "./describe-quantization.ts";

/** What a deployable model is made of. */
export interface Deployable {
  /** The prepared float model. */
  model: Model;
  plan: QuantizationPlan;
  state: QuantizationState;
  /** Trained float parameters by initializer name; the model's own where absent. */
  parameters?: ReadonlyMap<string, Tensor>;
}

/** How a deployable model is stored and what it says about itself. */
export interface DeployOptions {
  int4: "container" | "initializer";
  /** Goes into the file's metadata. */
  provenance: Readonly<Record<string, unknown>>;
}

/** A deployable model that was written and does not have its name yet. */
export interface Deployed {
  /** The file, where it can be run until then. */
  path: string;
  file: StagedModel;
  state: QuantizationState;
  /** Biases as the file holds them. */
  biases: ReadonlyMap<string, Float32Array>;
  output: NonNullable<Report["output"]>;
  /** Rows whose scale was enlarged so that their int32 bias fits, in words. */
  warnings: string[];
}

/** The deployable model of a quantized one. */
export async function deployModel(
  { model, plan, state, parameters = new Map() }: Deployable,
  options: DeployOptions,
): Promise<ExportedModel> {
  const biases = new Map(Array.from(parameters, ([name, tensor]) => [name, viewAs(tensor, "float32")]));
  return exportModel(model, plan, state, biases, options);
}

/** Writes the deployable model of a quantized one, to be looked at before it becomes `out`: see `withStaged`. */
export async function stageDeployed(
  deployable: Deployable,
  options: DeployOptions,
  out: string,
): Promise<Deployed> {
  const { model, state, biases, enlargedRows } = await deployModel(deployable, options);
  const file = await stageModel(model, out);
  const output = { path: out, bytes: file.bytes };
  return { path: file.path, file, state, biases, output, warnings: enlargedWarnings(enlargedRows) };
}

/** Gives a written model its name once `work` on it has gone well; else it is removed, and what was there before stays. */
export async function withStaged<T>({ file, path, output }: Deployed, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work();
    await file.commit();
    return result;
  } catch (error) {
    throw explainWriteError(blameOutput(error, path, output.path), output.path);
  } finally {
    await file.discard();
  }
}

/** An error about the file at its passing place, told of the output that it was to become. */
function blameOutput(error: unknown, temporary: string, out: string): unknown {
  if (!(error instanceof UserError) || error.where !== temporary) return error;
  const { code, kind, message, hint, cause } = error;
  return new UserError(code, kind, `${message}; it was not written`, { where: out, hint, cause });
}

/**
 * Compares the written file with the evaluation graph of the artifact in `directory` and its trained state, with the
 * biases as the file holds them: int32 multiples of s_x * s_w.
 */
export async function verifyTrained(
  directory: string,
  { plan, model }: Deployable,
  deployed: Deployed,
  dataset: Dataset,
  options: VerificationOptions,
  context: RunContext,
): Promise<NonNullable<Report["verification"]>> {
  const evalModel = await loadModel(join(directory, artifactFiles.evalModel));
  const parameters = new Map(await loadBest(join(directory, "run")));
  for (const [name, data] of deployed.biases) {
    const trained = parameters.get(name);
    if (trained !== undefined) parameters.set(name, tensorOf("float32", trained.dims, data));
  }
  const outputs = model.graph.outputs.map(({ name }) => name);
  const reference = bindParameters(evalModel, parameters, outputs);
  return verify(reference, plan, deployed, dataset, options, context);
}

/** Compares the written file with the training form of the same quantized model. */
export async function verifyQuantized(
  { model, plan }: Deployable,
  deployed: Deployed,
  dataset: Dataset,
  options: VerificationOptions,
  context: RunContext,
): Promise<NonNullable<Report["verification"]>> {
  const reference = buildReference(model, plan, deployed.state, deployed.biases);
  return verify(reference, plan, deployed, dataset, options, context);
}

async function verify(
  reference: Model,
  plan: QuantizationPlan,
  { path, state }: Deployed,
  dataset: Dataset,
  { threads, provider, float, outputs }: VerificationOptions,
  context: RunContext,
): Promise<NonNullable<Report["verification"]>> {
  return verifyExport(path, reference, plan, state, dataset, {
    ...{ threads, provider, float, outputs, ...context },
  });
}

/** What a written file is verified with beside the samples. */
export interface VerificationOptions extends RuntimeOptions {
  /** The file of the source model. */
  float: string;
  outputs: JudgedOutputs;
}

/** Which nodes of the written file run on integer kernels here. */
export async function auditDeployed(
  { path }: Deployed,
  plan: QuantizationPlan,
  { threads, provider }: RuntimeOptions,
): Promise<NonNullable<Report["audit"]>> {
  const audit = await auditKernels(path, plan, { threads, provider });
  const { integerNodes, totalNodes, integerMacs, totalMacs, floatNodes, kernels } = audit;
  return { integerNodes, totalNodes, integerMacs, totalMacs, floatNodes, kernels };
}
