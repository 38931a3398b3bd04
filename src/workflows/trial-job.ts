import type { DataSpec } from "../data/spec.ts";
import { defaultFreezingOptions } from "../training/freezing/refresh.ts";
import { settleChoice } from "../training/freezing/settle-choice.ts";
import type { TrialJob } from "../training/profile/job.ts";
import { defaultTrainOptions } from "../training/train-options.ts";
import type { RuntimeOptions } from "./context.ts";
import { withClasses } from "./open-data.ts";
import type { ArtifactChoices } from "./options.ts";
import type { Quantized } from "./quantize-stage.ts";

/** The samples and settings of a few steps that are taken as training would take them. */
export const trialJob = (
  { plan, source }: Quantized,
  choices: ArtifactChoices,
  { data, output, provider, threads }: RuntimeOptions & { data: DataSpec; output?: string | undefined },
): Pick<TrialJob, "data" | "options"> => ({
  data: withClasses(source.model, data, output),
  options: {
    arena: defaultTrainOptions.arena,
    cache: choices.cache ?? null,
    provider: provider ?? null,
    threads: threads ?? null,
    freezing: {
      ratio: choices.ratio,
      budget: choices.budget,
      refresh: choices.refresh ?? defaultFreezingOptions.refresh,
      ...settleChoice(choices, plan.weights),
    },
  },
});
