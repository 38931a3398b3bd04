import { dataError } from "../../errors.ts";
import type { Dataset } from "../../data/dataset.ts";
import { checkKernels } from "../../training/arithmetic/check-kernels.ts";
import type { Manifest } from "../../training/artifact/manifest.ts";
import type { Logger } from "../../log.ts";
import { requireShares } from "../../training/trainer/share-runs.ts";
import { checkTrainOptions, defaultTrainOptions } from "../../training/train-options.ts";
import type { RunChoices } from "../options.ts";
import { labelWarnings, requireOneStep, trainingSamples, trySample } from "./check-data.ts";
import { refuseAugmented } from "../../data/targets.ts";
import { targetArrays } from "../../training/sessions/targets.ts";
import { checkTargets } from "./check-targets.ts";
import { Findings } from "./findings.ts";

/**
 * Checks, before anything is loaded for it, that an artifact can be trained as asked on data that fit its model. Throws one
 * error for all that is wrong.
 */
export async function checkRun(
  manifest: Manifest,
  dataset: Dataset,
  { val, schedule, epochs, refresh, augment, workers = 1 }: RunChoices,
  { seed, logger }: { seed: number; logger: Logger },
): Promise<void> {
  const findings = new Findings();
  const freezing = { ...defaultTrainOptions.freezing, refresh };
  await findings.attempt(() =>
    checkTrainOptions({ ...defaultTrainOptions, val, schedule, epochs, seed, freezing, workers }),
  );
  await findings.attempt(() => requireShares(manifest, workers));
  await findings.attempt(() =>
    requireOneStep(
      trainingSamples(dataset, { val, seed }),
      manifest.batch * manifest.accumulate,
      dataset,
      "build the artifact with a smaller --batch",
    ),
  );
  await findings.attempt(() => requireLabels(manifest, dataset));
  await findings.attempt(() => checkTargets(manifest.targets, dataset, logger));
  if (augment !== undefined) {
    await findings.attempt(() => refuseAugmented(targetArrays(manifest)));
    await findings.attempt(() => trySample(dataset, augment));
  }
  await findings.attempt(() =>
    checkKernels(
      manifest,
      "Build the artifact on this machine, or with --forward float and --backward float.",
    ),
  );
  findings.throwAny();
  for (const warning of labelWarnings(dataset)) logger.warn(warning);
}

function requireLabels({ targets }: Manifest, { hasLabels, name }: Dataset): void {
  if (hasLabels || !targets.some(({ source }) => source.from === "labels")) return;
  throw dataError(
    "no-labels",
    "The artifact's loss compares with labels, and the data has none",
    name,
    "Give labelled data, or build the artifact with --labels none.",
  );
}
