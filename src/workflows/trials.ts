import { type Batch, type Dataset } from "../data/dataset.ts";
import { batches } from "../data/batches.ts";
import { knownForms } from "../lowering/forms.ts";
import { encodeModel } from "../onnx/index.ts";
import type { ActivationPlan } from "../quantization/types.ts";
import type { ArithmeticTrials } from "../training/artifact.ts";
import type { Arithmetic, FormTrials } from "../training/artifact/forward-candidate.ts";
import { cachedChoice, cachedForms, costKey } from "../training/costs/cache.ts";
import { tryForms } from "../training/costs/try-forms.ts";
import { type GradientSamples, measureGradients, raceGraphs } from "../training/measure-gradients.ts";
import { type RuntimeOptions, sessionOptionsOf } from "./context.ts";
import type { ArtifactChoices } from "./options.ts";
import type { Quantized } from "./quantize-stage.ts";

/**
 * What is left open of the step's arithmetic, to be decided by trial. Integer kernels are those of the CPU provider; a
 * backward on them needs contrib operators.
 */
export function openArithmetic(
  { plan }: Quantized,
  { forward, backward, portable }: ArtifactChoices,
  { provider }: RuntimeOptions,
): Pick<ArtifactChoices, "forward" | "backward"> {
  const open = (wanted: Arithmetic | "auto", possible: boolean): Arithmetic | "auto" =>
    wanted === "auto" && !(possible && onCpu(provider)) ? "float" : wanted;
  return { forward: open(forward, plan.activations.every(isByte)), backward: open(backward, !portable) };
}

/** Runs on the samples, for an integer backward and to decide what is open; the latter not where forms go by estimate. */
export function arithmeticTrials(
  { model, dataset }: Quantized,
  { microBatch, forms, cache, ratio }: ArtifactChoices & { microBatch: number },
  runtime: RuntimeOptions,
): ArithmeticTrials {
  const samples: GradientSamples = {
    teacher: model,
    batches: () => probeBatches(dataset, microBatch),
    session: { ...sessionOptionsOf(runtime), isolated: false },
  };
  const measure: ArithmeticTrials["measure"] = (probe, start) => measureGradients(probe, start, samples);
  if (forms === "estimate") return { measure };
  const choose: ArithmeticTrials["choose"] = (models, start) => {
    const key = costKey(Buffer.concat(models.map(encodeModel)), { ratio, ...runtime });
    return cachedChoice(cache ?? null, key, () => raceGraphs(models, start, samples));
  };
  return { measure, choose };
}

/** Without rounding to 4 bits in between, a forward on integer kernels is as good to train with as one in float. */
const isByte = ({ bits }: ActivationPlan): boolean => bits === 8;

export const onCpu = (provider: string | undefined): boolean => provider === undefined || provider === "cpu";

/** Batches that the size of gradients is measured on. */
const probes = 4;

/** The first samples in batches of one size, from the start again where there are fewer. */
function probeBatches(dataset: Dataset, batch: number): AsyncIterable<Batch> {
  const count = Math.min(probes, Math.max(1, Math.floor(dataset.length / batch)));
  const indices = Uint32Array.from({ length: count * batch }, (_, index) => index % dataset.length);
  return batches(dataset, { batch, indices });
}

/**
 * Trials of the forms of gradients with a share of the rows trained; those made before on this machine are taken from
 * the folder `cache`.
 */
export function formTrials({
  cache,
  ratio,
  runtime,
  signal,
}: {
  cache: string | undefined;
  ratio: number;
  runtime: RuntimeOptions;
  signal?: AbortSignal;
}): FormTrials {
  const session = sessionOptionsOf(runtime);
  let tried: ReadonlyMap<string, string> = new Map();
  return async (abstract, target) => {
    const settings = { ratio, ...target, ...runtime };
    tried = await cachedForms(cache ?? null, settings, tried, (known) =>
      tryForms(abstract, known, { ...target, ratio, session, signal }),
    );
    return knownForms(tried);
  };
}
