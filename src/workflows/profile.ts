import { withTemporaryDirectory } from "../runtime/temporary-directory.ts";
import type { Claim } from "../claims/claim-paths.ts";
import type { Report } from "../report/report-data.ts";
import { layerOf, phaseOf, phases, type StepKernel, sumBy } from "../training/profile/phases.ts";
import type { StepProfile } from "../training/profile/job.ts";
import { profileInChild } from "../training/process/child-process.ts";
import { artifactStage } from "./artifact-stage.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { describeQuantization, quantizationWarnings } from "./describe-quantization.ts";
import type { ProfileOptions } from "./options.ts";
import { quantizeForTraining } from "./quantize-for-training.ts";
import { prepareSource } from "./quantize-stage.ts";
import { startReport } from "./start-report.ts";
import { trialJob } from "./trial-job.ts";
import { onCpu } from "./trials.ts";

/** Builds a model's training graphs, takes a few steps, and tells where their time goes. Writes nothing. */
export async function profile(options: ProfileOptions, context: RunContext): Promise<Report> {
  const paths = await commandPaths.profile(options);
  return withClaim("efqat profile", paths, context, (claim) => profileClaimed(options, context, claim));
}

async function profileClaimed(options: ProfileOptions, context: RunContext, claim: Claim): Promise<Report> {
  const start = performance.now();
  const prepared = await prepareSource(options, [], context);
  await claim.addReads(dataOfModels(prepared.source.model));
  const { training, quantized } = await quantizeForTraining(prepared, options.training, options, context);
  return withTemporaryDirectory(async (directory) => {
    const place = { directory, local: true };
    const { memory, warnings } = await artifactStage(quantized, training, place, options, context);
    context.logger.info(`Taking ${options.steps} steps of ${training.batch} samples.`);
    const measured = await profileInChild(
      { ...trialJob(quantized, training, options), artifact: directory, steps: options.steps },
      context,
    );
    return {
      ...startReport("profile", options, prepared.source, start),
      data: { training: prepared.dataset.describe() },
      quantization: describeQuantization(quantized, options.quantization),
      memory,
      profile: {
        ...describeProfile(measured),
        ...describeFallbacks(measured, options.provider),
      },
      warnings: [...quantizationWarnings(quantized.state), ...warnings],
    };
  });
}

/** Operators that ran on the CPU although another provider was asked for. */
function describeFallbacks(
  { kernels }: StepProfile,
  provider = "cpu",
): Pick<NonNullable<Report["profile"]>, "fallbacks"> {
  if (onCpu(provider)) return {};
  const elsewhere = kernels.map((run) => run.filter((time) => time.provider === "cpu"));
  const times = sumBy(elsewhere, ({ opType }) => opType);
  const calls = sumBy(
    elsewhere.map((run) => run.map((time) => ({ ...time, ms: 1 }))),
    ({ opType }) => opType,
  );
  return { fallbacks: [...times].map(([op, ms]) => ({ op, ms, calls: Math.round(calls.get(op) ?? 0) })) };
}

const operatorOf = (time: StepKernel): string => `${phaseOf(time)}\n${time.opType}`;

function describeProfile(measured: StepProfile): NonNullable<Report["profile"]> {
  const {
    kernels,
    forward,
    backward,
    batch,
    microBatch,
    steps,
    losses,
    step,
    data,
    training,
    optimizer,
    peakBytes,
  } = measured;
  const byPhase = sumBy(kernels, phaseOf);
  const inKernels = [...byPhase.values()].reduce((sum, ms) => sum + ms, 0);
  const byOperator = sumBy(kernels, operatorOf);
  const calls = sumBy(
    kernels.map((run) => run.map((time) => ({ ...time, ms: 1 }))),
    operatorOf,
  );
  const byLayer = sumBy(kernels, (time) => `${layerOf(time)}\n${phaseOf(time)}`);
  const layers = new Map<string, Record<string, number>>();
  for (const [key, ms] of byLayer) {
    const [layer = "", phase = ""] = key.split("\n");
    layers.set(layer, { ...layers.get(layer), [phase]: ms });
  }
  return {
    forward,
    backward,
    batch,
    microBatch,
    steps,
    losses,
    stepMs: step,
    peakBytes,
    parts: [
      ...phases.map((phase) => ({ part: phase, ms: byPhase.get(phase) ?? 0 })),
      { part: "between kernels", ms: Math.max(0, training - inKernels) },
      { part: "optimizer", ms: optimizer },
      { part: "reading data", ms: data },
      { part: "JavaScript", ms: Math.max(0, step - data - training - optimizer) },
    ],
    operators: [...byOperator].map(([key, ms]) => {
      const [phase = "", op = ""] = key.split("\n");
      return { phase, op, ms, calls: Math.round(calls.get(key) ?? 0) };
    }),
    layers: [...layers].map(([layer, byPart]) => ({ layer, parts: byPart })),
  };
}
