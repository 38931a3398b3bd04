import { join } from "node:path";
import type { Claim } from "../claims/claim-paths.ts";
import type { Report } from "../report/report-data.ts";
import { readManifest } from "../training/artifact/files.ts";
import { chooseOutputs } from "../ir/judged-output.ts";
import { artifactFiles } from "../training/artifact/manifest.ts";
import { loadTrained } from "../training/train.ts";
import type { History } from "../training/trainer/events.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { describePlan } from "./describe-quantization.ts";
import { auditDeployed, stageDeployed, verifyTrained, withStaged } from "./export-stage.ts";
import { judge } from "./judge.ts";
import { latencyWarnings, measureLatency } from "./measure-latency.ts";
import type { ExportOptions } from "./options.ts";
import { outputSizes } from "./preflight/check-machine.ts";
import { checkStart } from "./preflight/check-start.ts";
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
  const floatPath = join(options.artifact, artifactFiles.floatModel);
  const trained = await loadTrained(options.artifact);
  const output = options.output ?? lossOutput(trained.manifest);
  const places = [{ option: "--out", path: options.out, size: outputSizes.model }];
  const { source, dataset } = await checkStart({ ...options, output, model: floatPath }, places);
  await claim.addReads(dataOfModels(source.model));
  const outputs = chooseOutputs(source.model, { output, labels: dataset.hasLabels });
  const deployable = { ...trained, model: source.model };
  const { sourceModel, forward, backward, algorithmsByTrial } = trained.manifest;
  const origin = provenanceOf({ path: sourceModel.file, sha256: sourceModel.sha256 }, {});
  const provenance = { ...origin, arithmetic: { forward, backward, algorithmsByTrial } };
  const deployed = await stageDeployed(deployable, { int4: options.int4, provenance }, options.out);
  return withStaged(deployed, async () => {
    const verification = await verifyTrained(
      options.artifact,
      deployable,
      deployed,
      dataset,
      { ...options, outputs, float: floatPath },
      context,
    );
    const changed = await countChangedRows(options.artifact, trained);
    const judged = await judge(
      [
        { model: "float", source: floatPath },
        { model: "efqat", source: deployed.path },
      ],
      dataset,
      { ...options, outputs, use: "evaluation" },
      context,
    );
    const latency = await measureLatency(floatPath, deployed.path, dataset, options, context);
    const { plan, state } = trained;
    return {
      ...startReport("export", options, source, start),
      data: { evaluation: dataset.describe() },
      quantization: {
        wbits: Math.min(...plan.weights.map(({ bits }) => bits)),
        abits: Math.min(...plan.activations.map(({ bits }) => bits)),
        ...describePlan(plan, state.weights.values(), changed),
      },
      ...{ judging: judged.judging, scores: judged.scores },
      output: { ...deployed.output, model: trained.history.bestStep === 0 ? "ptq" : "efqat" },
      verification,
      ...(await auditDeployed(deployed, plan, options)),
      latency,
      warnings: [
        ...unfinishedWarnings(trained.history),
        ...trainingWarnings(trained.history, changed),
        ...deployed.warnings,
        ...judged.warnings,
        ...latencyWarnings(latency),
      ],
    };
  });
}

const unfinishedWarnings = ({ steps, totalSteps, divergedAt }: History): string[] =>
  steps < totalSteps && divergedAt === null
    ? [`Training stopped after ${steps} of ${totalSteps} steps; what is exported is the best state so far.`]
    : [];
