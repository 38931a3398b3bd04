import { auditModel } from "../audit/audit-model.ts";
import type { Claim } from "../claims/claim-paths.ts";
import type { Dataset } from "../data/dataset.ts";
import { makeUpDataset } from "../data/made-up-dataset.ts";
import { checkInputNames, withSetInputs } from "../data/set-inputs.ts";
import { loadModel } from "../onnx/index.ts";
import { nameOpenDims, type Sizes } from "../passes/bind-inputs.ts";
import { findProbes } from "../passes/find-probes.ts";
import { targetNamed } from "../quantization/targets/table.ts";
import type { Report } from "../report/report-data.ts";
import { requiredInputs } from "../ir/value-types.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { auditWarnings, describeAudit, integerShare } from "./describe-audit.ts";
import { measureLatency } from "./measure-latency.ts";
import { openModelData } from "./open-data.ts";
import type { AuditOptions } from "./options.ts";
import { checkReference } from "./preflight/check-reference.ts";
import { dataInputs, portsOf, readSource, type Source } from "./read-source.ts";
import { startReport } from "./start-report.ts";

/** What runs on integers of any ONNX model, quantized by whomever, and why the rest does not. */
export async function audit(options: AuditOptions, context: RunContext): Promise<Report> {
  const paths = await commandPaths.audit(options);
  return withClaim("efqat audit", paths, context, (claim) => auditClaimed(options, context, claim));
}

async function auditClaimed(options: AuditOptions, context: RunContext, claim: Claim): Promise<Report> {
  const start = performance.now();
  const { inputShapes, provider, threads, failUnder } = options;
  const target = targetNamed(options.target);
  const source = await readSource(options.model, inputShapes);
  const reference = options.reference === undefined ? undefined : await loadModel(options.reference);
  if (reference !== undefined) checkReference(portsOf(source.model), portsOf(reference), undefined);
  await claim.addReads(dataOfModels(source.model, ...(reference === undefined ? [] : [reference])));
  const found = await auditModel(source.model, { ...context, target, inputShapes, provider, threads });
  const latency = options.reference === undefined ? {} : await timeBeside(source, options, context);
  const report = { ...startReport("audit", options, source, start), ...latency };
  const share = integerShare(found);
  const unmet =
    failUnder === undefined || share >= failUnder
      ? {}
      : {
          unmet: [
            `${percent(share)} of the work is on integer kernels, --fail-under asks for ${percent(failUnder)}`,
          ],
        };
  return { ...report, audit: describeAudit(found, target), ...unmet, warnings: auditWarnings(found, target) };
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** Latency beside the reference model, on the data or on made-up inputs. */
async function timeBeside(
  source: Source,
  options: AuditOptions,
  context: RunContext,
): Promise<Pick<Report, "latency" | "data">> {
  const { reference = "", model } = options;
  const dataset = await timingData(source, options);
  const { latency } = await measureLatency(reference, model, dataset, options, context);
  return { latency, data: { latency: dataset.describe() } };
}

async function timingData({ model }: Source, { data, set = {} }: AuditOptions): Promise<Dataset> {
  if (data !== undefined) return openModelData(model, data);
  const inputs = dataInputs(model);
  checkInputNames(Object.keys(set), inputs, "--set");
  const made = makeUpDataset(inputs, await sizesOf(model));
  return Object.keys(set).length === 0 ? made : withSetInputs(made, inputs, set);
}

/** Sizes of open dimensions other than the batch at which the model runs. */
async function sizesOf(model: Source["model"]): Promise<Sizes> {
  const { symbols, batch } = nameOpenDims(requiredInputs(model.graph));
  const others = symbols.filter((symbol) => symbol !== batch);
  return others.length === 0 ? new Map() : (await findProbes(model)).base;
}
