import { isExact } from "../quantization/targets/target.ts";
import { join } from "node:path";
import type { Claim } from "../claims/claim-paths.ts";
import type { Report } from "../report/report-data.ts";
import { readManifest } from "../training/artifact/files.ts";
import { chooseOutputs } from "../ir/judged-output.ts";
import { artifactFiles } from "../training/artifact/manifest.ts";
import { loadTrained, type TrainResult } from "../training/train.ts";
import type { History } from "../training/trainer/events.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { describePlan } from "./describe-quantization.ts";
import { putParameters } from "../export/export-model.ts";
import { unsupportedError } from "../errors.ts";
import { moveLayout } from "../quantization/move-layout.ts";
import { targetNamed } from "../quantization/targets/table.ts";
import type { Target } from "../quantization/targets/target.ts";
import {
  auditDeployed,
  type Deployable,
  stageDeployed,
  verifyQuantized,
  verifyTrained,
  withStaged,
} from "./export-stage.ts";
import { judge } from "./judge.ts";
import { latencyWarnings, timeDeployed } from "./measure-latency.ts";
import { checkMetrics, type MetricRequest, type MetricSource } from "./metrics.ts";
import type { ExportOptions } from "./options.ts";
import { outputSizes } from "./preflight/check-machine.ts";
import { checkStart } from "./preflight/check-start.ts";
import { readRunMetrics, usableMetrics } from "./run-metrics.ts";
import { StageTimes } from "./stage-times.ts";
import { provenanceOf, startReport } from "./start-report.ts";
import { countChangedRows } from "./train-stage.ts";
import { lossOutput, trainingWarnings } from "./training-warnings.ts";

/** Writes the deployable model of a trained artifact, verified in ONNX Runtime against its evaluation graph. */
export async function exportArtifact(options: ExportOptions, context: RunContext): Promise<Report> {
  await readManifest(options.artifact);
  const paths = await commandPaths.export(options);
  return withClaim("efqat export", paths, context, (claim) => exportClaimed(options, context, claim));
}

async function exportClaimed(options: ExportOptions, context: RunContext, claim: Claim): Promise<Report> {
  const start = performance.now();
  const times = new StageTimes();
  const floatPath = join(options.artifact, artifactFiles.floatModel);
  const trained = await loadTrained(options.artifact);
  const output = options.output ?? lossOutput(trained.manifest);
  const places = [{ option: "--out", path: options.out, size: outputSizes.model }];
  const { source, dataset } = await checkStart({ ...options, output, model: floatPath }, places);
  times.done("preparation");
  await claim.addReads(dataOfModels(source.model));
  const outputs = chooseOutputs(source.model, { output, labels: dataset.hasLabels });
  const { metric, warnings } = await chooseMetrics(options, { model: source.model, outputs, dataset });
  const target = targetNamed(options.target ?? trained.plan.target);
  const deployable = layOut({ ...trained, model: source.model }, target, options.artifact);
  const { sourceModel, forward, backward, algorithmsByTrial } = trained.manifest;
  const origin = provenanceOf({ path: sourceModel.file, sha256: sourceModel.sha256 }, {});
  const provenance = { ...origin, arithmetic: { forward, backward, algorithmsByTrial } };
  const deployed = await stageDeployed(deployable, { int4: options.int4, provenance, target }, options.out);
  return withStaged(deployed, async () => {
    const checks = { ...options, outputs, float: floatPath };
    const verified = deployable.moved
      ? await verifyQuantized(deployable, deployed, dataset, checks, context)
      : await verifyTrained(options.artifact, deployable, deployed, dataset, checks, context);
    times.done("export and verification");
    const changed = await countChangedRows(options.artifact, trained);
    const judged = await judge(
      [
        { model: "float", source: floatPath },
        { model: "efqat", source: deployed.path },
      ],
      dataset,
      {
        ...options,
        metric,
        outputs,
        judgedModel: source.model,
        use: "evaluation",
        exactKernels: isExact(deployed.target),
      },
      context,
    );
    times.done("scores");
    const { latency } = await timeDeployed(floatPath, deployed, dataset, options, context);
    const { plan, state } = deployable;
    const audited = await auditDeployed(deployed, plan, options);
    times.done("audit and latency");
    return {
      ...startReport("export", options, source, start),
      data: { evaluation: dataset.describe() },
      quantization: {
        wbits: Math.min(...plan.weights.map(({ bits }) => bits)),
        abits: Math.min(...plan.activations.map(({ bits }) => bits)),
        ...describePlan(plan, state.weights.values(), changed),
      },
      judging: judged.judging,
      scores: judged.scores,
      output: { ...deployed.output, model: trained.history.bestStep === 0 ? "ptq" : "efqat" },
      ...verified,
      ...audited,
      ...(latency === undefined ? {} : { latency }),
      stages: times.stages,
      warnings: [
        ...warnings,
        ...unfinishedWarnings(trained.history),
        ...trainingWarnings(trained.history, changed),
        ...deployable.notes,
        ...deployed.warnings,
        ...judged.warnings,
        ...latencyWarnings(latency),
      ],
    };
  });
}

/** The metrics that were asked for, or those of the run that fit. */
async function chooseMetrics(
  { metric, artifact }: ExportOptions,
  source: MetricSource,
): Promise<{ metric: MetricRequest | undefined; warnings: string[] }> {
  if (metric === undefined) return usableMetrics(await readRunMetrics(artifact), source);
  await checkMetrics(metric, source);
  return { metric, warnings: [] };
}

/** A trained model as it is deployed. */
interface LaidOut extends Deployable {
  /** In another layout than it was trained in. */
  moved: boolean;
  notes: string[];
}

/** Most nodes that an error names. */
const mostNamed = 6;

/**
 * The trained model in a target's layout. Throws unsupported/target-layout, with the nodes and the command to run, where that
 * needs codes which were not trained.
 */
function layOut(
  trained: Deployable & Pick<TrainResult, "manifest">,
  target: Target,
  artifact: string,
): LaidOut {
  const { plan, model, manifest } = trained;
  if (plan.target === target.name) return { ...trained, moved: false, notes: [] };
  const moved = moveLayout(model, trained, target);
  if ("obstacles" in moved) {
    const { obstacles } = moved;
    const named = obstacles.slice(0, mostNamed).map(({ node, op, reason }) => `"${node}" (${op}; ${reason})`);
    const more = obstacles.length > mostNamed ? ` and ${obstacles.length - mostNamed} more` : "";
    throw unsupportedError(
      "target-layout",
      `What was trained for ${plan.target} cannot be laid out for ${target.name}: ${named.join(", ")}${more}`,
      artifact,
      `Train for that target: efqat artifact ${manifest.sourceModel.file} --target ${target.name} --data PATH --out DIR, then efqat train and efqat export.`,
    );
  }
  const { state, floats, freed } = moved;
  const notes =
    freed.length === 0
      ? []
      : [
          `${freed.length} values that were codes in training are floats in the layout of ${target.name}, such as "${freed[0] ?? ""}".`,
        ];
  return { ...trained, model: putParameters(model, floats), plan: moved.plan, state, moved: true, notes };
}

const unfinishedWarnings = ({ steps, totalSteps, divergedAt }: History): string[] =>
  steps < totalSteps && divergedAt === null
    ? [`Training stopped after ${steps} of ${totalSteps} steps; what is exported is the best state so far.`]
    : [];
