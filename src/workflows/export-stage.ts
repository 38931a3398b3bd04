import { join } from "node:path";
import type { Dataset } from "../data/dataset.ts";
import { auditModel } from "../audit/audit-model.ts";
import { type ExportedModel, exportModel } from "../export/export-model.ts";
import { bindParameters, buildReference } from "../export/reference-model.ts";
import { verifyExport } from "../export/verify-export.ts";
import type { JudgedOutputs } from "../ir/judged-output.ts";
import { checkStorage, checkStructure } from "../export/check-target.ts";
import type { Model } from "../ir/model.ts";
import { fixedBatch } from "../ir/value-types.ts";
import type { Sizes } from "../passes/bind-inputs.ts";
import { targetNamed } from "../quantization/targets/table.ts";
import type { Target } from "../quantization/targets/target.ts";
import { explainWriteError } from "../atomic-file.ts";
import { UserError } from "../errors.ts";
import { loadModel, type StagedModel, stageModel } from "../onnx/index.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import type { ModelSource } from "../runtime/open-model.ts";
import type { Report } from "../report/report-data.ts";
import { type Tensor, tensorOf, viewAs } from "../tensor/tensor.ts";
import { weightNames } from "../ir/derived-names.ts";
import { artifactFiles } from "../training/artifact/manifest.ts";
import { loadBest } from "../training/trainer/run-checkpoint.ts";
import type { RunContext, RuntimeOptions } from "./context.ts";
import type { QuantizationChoices } from "./options.ts";
import type { Quantized } from "./quantize-stage.ts";
import { describeAudit } from "./describe-audit.ts";
import { describeLayerwise } from "./describe-layerwise.ts";
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
  /** What the file is for; default: the plan's. */
  target?: Target | string | undefined;
  /** Sizes of open dimensions other than the batch, by symbol, for targets that need fixed shapes. */
  sizes?: Sizes | undefined;
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
  target: Target;
  /** Rows whose scale was enlarged so that their int32 bias fits, in words. */
  warnings: string[];
}

/** How a quantized model is deployed, by the choices it was quantized with. */
export const deployChoices = (
  { sizes, target }: Pick<Quantized, "sizes" | "target">,
  { int4 }: QuantizationChoices,
): Pick<DeployOptions, "int4" | "target" | "sizes"> => ({ int4, target, sizes });

/** The deployable model of a quantized one. */
export async function deployModel(
  { model, plan, state, parameters = new Map() }: Deployable,
  options: DeployOptions,
): Promise<ExportedModel> {
  const target = targetNamed(options.target ?? plan.target);
  const { int4, provenance, sizes } = options;
  checkStorage(target, int4);
  const biases = new Map(Array.from(parameters, ([name, tensor]) => [name, viewAs(tensor, "float32")]));
  const fixed = target.shapes === "static" ? { batch: fixedBatch(model.graph) ?? 1, sizes } : undefined;
  const exported = await exportModel(model, plan, state, biases, { int4, provenance, fixed });
  checkStructure(exported.model, target);
  return exported;
}

/** Writes the deployable model of a quantized one, to be looked at before it becomes `out`: see `withStaged`. */
export async function stageDeployed(
  deployable: Deployable,
  options: DeployOptions,
  out: string,
): Promise<Deployed> {
  const { model, state, biases, enlargedRows } = await deployModel(deployable, options);
  const target = targetNamed(options.target ?? deployable.plan.target);
  const file = await stageModel(model, out);
  const output = { path: out, bytes: file.bytes };
  const warnings = [...enlargedWarnings(enlargedRows), ...fixedShapeNotes(deployable.model, target)];
  return { path: file.path, file, state, biases, output, target, warnings };
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

/** What a written file was found to be: against the graph it was made of, and layer by layer against the float model. */
export type Verified = Required<Pick<Report, "verification" | "layerwise">>;

/**
 * Compares the written file with the evaluation graph of the artifact in `directory` and its trained state, with
 * what the file had to round as it holds it: biases, int32 multiples of s_x * s_w, and rows of weights at larger scales.
 */
export async function verifyTrained(
  directory: string,
  deployable: Deployable,
  deployed: Deployed,
  dataset: Dataset,
  options: VerificationOptions,
  context: RunContext,
): Promise<Verified> {
  const { model } = deployable;
  const evalModel = await loadModel(join(directory, artifactFiles.evalModel));
  const parameters = new Map(await loadBest(join(directory, "run")));
  const hold = (name: string, dtype: "float32" | "int8", data: Float32Array | Int8Array): void => {
    const trained = parameters.get(name);
    if (trained !== undefined) parameters.set(name, tensorOf(dtype, trained.dims, data));
  };
  for (const [name, data] of deployed.biases) hold(name, "float32", data);
  for (const [name, { codes, scale }] of deployed.state.weights) {
    const names = weightNames(name);
    hold(names.codes, "int8", codes);
    hold(names.scale, "float32", scale);
  }
  const outputs = model.graph.outputs.map(({ name }) => name);
  const reference = bindParameters(evalModel, parameters, outputs);
  return verify(reference, deployable, deployed, dataset, options, context);
}

/** Compares the written file with the training form of the same quantized model. */
export async function verifyQuantized(
  deployable: Deployable,
  deployed: Deployed,
  dataset: Dataset,
  options: VerificationOptions,
  context: RunContext,
): Promise<Verified> {
  const { model, plan } = deployable;
  const reference = buildReference(model, plan, deployed.state, deployed.biases);
  return verify(reference, deployable, deployed, dataset, options, context);
}

async function verify(
  reference: Model,
  { model: prepared, plan }: Deployable,
  { path, state }: Deployed,
  dataset: Dataset,
  { threads, provider, float, outputs }: VerificationOptions,
  context: RunContext,
): Promise<Verified> {
  const { study, ...verification } = await verifyExport(path, reference, plan, state, dataset, {
    threads,
    provider,
    float,
    prepared,
    outputs,
    ...context,
  });
  return { verification, layerwise: describeLayerwise(prepared, plan, state, study) };
}

/** What a written file is verified with beside the samples. */
export interface VerificationOptions extends RuntimeOptions {
  /** The source model, as a file or in float32. */
  float: ModelSource;
  outputs: JudgedOutputs;
}

/** What was open in the model and is fixed in a file for a target that needs fixed shapes. */
function fixedShapeNotes({ graph }: Model, { name, shapes }: Target): string[] {
  return shapes === "static" && fixedBatch(graph) === undefined
    ? [`The file takes one sample at a time, and all its shapes are fixed: the target ${name} needs that.`]
    : [];
}

/** Which nodes of the written file run on integer kernels here; nothing where it is for another runtime. */
export async function auditDeployed(
  { path, target }: Deployed,
  plan: QuantizationPlan,
  { threads, provider }: RuntimeOptions,
): Promise<Pick<Report, "audit">> {
  if (!target.audited) return {};
  const reasons = new Map(plan.float.map(({ node, reason }) => [node, reason]));
  const audit = await auditModel(await loadModel(path), { target, threads, provider, reasons });
  return { audit: describeAudit(audit, target) };
}
