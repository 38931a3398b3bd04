import type { Claim } from "../claims/claim-paths.ts";
import { loadModel } from "../onnx/index.ts";
import type { Report } from "../report/report-data.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { chooseOutputs } from "../ir/judged-output.ts";
import { judge } from "./judge.ts";
import type { EvaluateOptions } from "./options.ts";
import { labelWarnings } from "./preflight/check-data.ts";
import { checkReference } from "./preflight/check-reference.ts";
import { checkStart } from "./preflight/check-start.ts";
import { portsOf } from "./read-source.ts";
import type { Contender } from "./score-models.ts";
import { startReport } from "./start-report.ts";

/**
 * Runs a model over data: accuracy and loss where there are labels, and the distance from a reference model where
 * one is given.
 */
export async function evaluate(options: EvaluateOptions, context: RunContext): Promise<Report> {
  const paths = await commandPaths.evaluate(options);
  return withClaim("efqat evaluate", paths, context, (claim) => evaluateClaimed(options, context, claim));
}

async function evaluateClaimed(options: EvaluateOptions, context: RunContext, claim: Claim): Promise<Report> {
  const start = performance.now();
  const { source, dataset } = await checkStart(options);
  const models = [source.model];
  if (options.reference !== undefined) {
    const reference = await loadModel(options.reference);
    checkReference(portsOf(source.model), portsOf(reference), options.output);
    models.push(reference);
  }
  await claim.addReads(dataOfModels(...models));
  const { output } = options;
  const outputs = chooseOutputs(source.model, { output, labels: dataset.hasLabels });
  const contenders: Contender[] = [{ model: "model", source: options.model }];
  if (options.reference !== undefined) contenders.unshift({ model: "reference", source: options.reference });
  const judgedModel = source.model;
  const how = { ...options, outputs, judgedModel, use: "evaluation" } as const;
  const judged = await judge(contenders, dataset, how, context);
  const report = startReport("evaluate", options, source, start);
  const warnings =
    dataset.hasLabels || options.reference !== undefined || options.metric !== undefined
      ? []
      : ["Without labels and without --reference there is nothing to judge the outputs by."];
  return {
    ...report,
    data: { evaluation: dataset.describe() },
    judging: judged.judging,
    scores: judged.scores,
    warnings: [...labelWarnings(dataset), ...warnings, ...judged.warnings],
  };
}
