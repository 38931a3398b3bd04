import { type Batch, type Dataset } from "../data/dataset.ts";
import { batches } from "../data/batches.ts";
import { knownForms } from "../lowering/forms.ts";
import { encodeModel } from "../onnx/index.ts";
import type { Arithmetic, FormTrials } from "../training/artifact/training-model.ts";
import { settleChoice } from "../training/freezing/settle-choice.ts";
import { cachedChoice, cachedForms, costKey } from "../training/costs/cache.ts";
import { tryForms } from "../training/costs/try-forms.ts";
import { type RunContext, type RuntimeOptions, sessionOptionsOf } from "./context.ts";
import type { MemorySection } from "../report/report-data.ts";
import { type ArithmeticTrials, type Artifact, buildArtifact, writeArtifact } from "../training/artifact.ts";
import { type GradientSamples, measureGradients, raceGraphs } from "../training/measure-gradients.ts";
import { estimateMemory, type MemoryEstimate } from "../training/memory/estimate-memory.ts";
import { fitMicroBatch } from "../training/memory/fit-micro-batch.ts";
import type { ActivationPlan } from "../quantization/types.ts";
import type { ArtifactChoices } from "./options.ts";
import type { Quantized } from "./quantize-stage.ts";

interface Built {
  artifact: Artifact;
  estimate: MemoryEstimate;
}

/**
 * Builds the training graphs of a quantized model, split so that training keeps the memory limit where there is one, and
 * writes them to `directory`. Returns what training will take.
 */
export async function artifactStage(
  quantized: Quantized,
  choices: ArtifactChoices,
  directory: string,
  options: RuntimeOptions,
  { logger, signal }: RunContext,
): Promise<MemorySection> {
  logger.info("Building the training graphs.");
  const build = async (microBatch: number, settled = choices): Promise<Built> => {
    const artifact = await buildMicroBatch(quantized, { ...settled, microBatch }, options, signal);
    const estimate = await estimateMemory(artifact, {
      threads: options.threads ?? null,
      dataBytes: quantized.dataset.heldBytes ?? 0,
      refresh: choices.refresh,
    });
    return { artifact, estimate };
  };
  const { batch, microBatch = batch, memoryLimit } = choices;
  const { artifact, estimate } =
    memoryLimit === undefined
      ? await build(microBatch)
      : await buildWithin(memoryLimit, { ...choices, ...openArithmetic(quantized, choices, options) }, build);
  await writeArtifact(artifact, directory);
  const { forward, backward } = artifact.manifest;
  logger.info(`A step's forward is computed in ${nameOf(forward)}, its backward in ${nameOf(backward)}.`);
  if (choices.backward === "integer" && backward === "float") {
    logger.warn(
      "--backward integer changes nothing: no convolution here has data gradients that integer kernels compute, or some of them were zero on all samples.",
    );
  }
  return {
    microBatch: artifact.manifest.batch,
    estimatedBytes: estimate.bytes,
    ...(memoryLimit === undefined ? {} : { limitBytes: memoryLimit }),
    parts: estimate.parts,
  };
}

const nameOf = (arithmetic: Arithmetic): string => (arithmetic === "integer" ? "integers" : "float");

/**
 * Builds with the largest micro-batch that keeps the limit. What is found by running training graphs is only looked for
 * when the micro-batch is known, and kept if it is within the limit, too; until then an open forward is on integer
 * kernels, which take less memory, and the backward float. A backward that has to be on integer kernels and takes more
 * gets a smaller micro-batch.
 */
async function buildWithin(
  limit: number,
  choices: ArtifactChoices,
  build: (microBatch: number, settled?: ArtifactChoices) => Promise<Built>,
): Promise<Built> {
  const forward = choices.forward === "auto" ? "integer" : choices.forward;
  const settled: ArtifactChoices = { ...choices, forward, backward: "float" };
  const fitted = await fitMicroBatch(choices.batch, limit, (microBatch) => build(microBatch, settled));
  const { batch } = fitted.artifact.manifest;
  const asked = await build(batch);
  if (asked.estimate.bytes <= limit) return asked;
  return choices.backward === "integer" ? fitMicroBatch(choices.batch, limit, build, batch) : fitted;
}

function buildMicroBatch(
  quantized: Quantized,
  choices: ArtifactChoices & { microBatch: number },
  { provider, threads }: RuntimeOptions,
  signal: AbortSignal,
): Promise<Artifact> {
  const { source, model, plan, state, dataset } = quantized;
  return buildArtifact({
    model,
    plan,
    state,
    batch: choices.batch,
    microBatch: choices.microBatch,
    loss: {
      kind: choices.loss,
      hasLabels: dataset.hasLabels,
      ...(choices.distill === undefined ? {} : { distill: choices.distill }),
    },
    optimizer: choices.optimizer,
    freezing: {
      ratio: choices.ratio,
      budget: choices.budget,
      ...settleChoice(choices, plan.weights),
    },
    source: { file: source.path, sha256: source.sha256 },
    portable: choices.portable,
    ...(choices.forms === "estimate"
      ? {}
      : {
          tune: formTrials({
            ...{ cache: choices.cache, ratio: choices.ratio, signal },
            runtime: { provider, threads },
          }),
        }),
    ...openArithmetic(quantized, choices, { provider }),
    trials: arithmeticTrials(quantized, choices, { provider, threads }),
    signal,
  });
}

/**
 * What is left open of the step's arithmetic, to be decided by trial. Integer kernels are those of the CPU provider; a
 * backward on them needs contrib operators.
 */
function openArithmetic(
  { plan }: Quantized,
  { forward, backward, portable }: ArtifactChoices,
  { provider }: RuntimeOptions,
): Pick<ArtifactChoices, "forward" | "backward"> {
  const open = (wanted: Arithmetic | "auto", possible: boolean): Arithmetic | "auto" =>
    wanted === "auto" && !(possible && onCpu(provider)) ? "float" : wanted;
  return { forward: open(forward, plan.activations.every(isByte)), backward: open(backward, !portable) };
}

/** Runs on the samples, for an integer backward and to decide what is open; the latter not where forms go by estimate. */
function arithmeticTrials(
  { model, dataset }: Quantized,
  { microBatch, forms, cache, ratio }: ArtifactChoices & { microBatch: number },
  runtime: RuntimeOptions,
): ArithmeticTrials {
  const samples: GradientSamples = {
    teacher: model,
    batches: () => probeBatches(dataset, microBatch),
    session: sessionOptionsOf(runtime),
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

const onCpu = (provider: string | undefined): boolean => provider === undefined || provider === "cpu";

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
