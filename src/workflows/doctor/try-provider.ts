import { UserError } from "../../errors.ts";
import { silentLogger } from "../../log.ts";
import type { InstallationSection } from "../../report/report-data.ts";
import { isolateRuntime } from "../../runtime/isolation/isolate.ts";
import { withSession } from "../../runtime/open-model.ts";
import { addNoise } from "../../tensor/agreement.ts";
import { type Numbers, readNumbers } from "../../tensor/read-numbers.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { targetNamed } from "../../quantization/targets/table.ts";
import type { ProfileOptions } from "../options.ts";
import { profile } from "../profile.ts";
import { type ProbeFiles, probeInput, probeModel } from "./probe-network.ts";

type Provider = InstallationSection["providers"][number];
type Try = Provider["model"];

/** What a provider computed, for others to be compared with. */
export interface ProbeResults {
  outputs?: Numbers | undefined;
  losses?: readonly number[] | undefined;
}

export interface TryContext {
  files: ProbeFiles;
  /** Seconds that each of the two attempts may take. */
  seconds: number;
  signal: AbortSignal;
}

/** Float32 sums in another order; TF32 has 10 bits of mantissa. */
const most = { outputs: 2e-3, losses: 1e-2 };
const steps = 3;

/**
 * Runs a small model and steps of EfQAT on a provider, each in a process of its own that is ended when it takes too long.
 * `reference`: what the CPU computed.
 */
export async function tryProvider(
  provider: string,
  bundled: boolean,
  reference: ProbeResults,
  context: TryContext,
): Promise<{ row: Provider; results: ProbeResults }> {
  const results: ProbeResults = {};
  const model = await attempt(context, (signal) => isolateRuntime(() => runModel(provider, results), signal));
  const row: Provider = {
    provider,
    bundled,
    model: compare(model, results.outputs, reference.outputs, most.outputs),
  } as Provider;
  if (model.state === "fails") {
    const remedy = model.remedy === undefined ? {} : { remedy: model.remedy };
    return {
      row: { ...row, model: withoutRemedy(row.model), training: { state: "not tried" }, ...remedy },
      results,
    };
  }
  let fallbacks: string[] | undefined;
  const training = await attempt(context, async (signal) => {
    const found = await isolateRuntime(() => trainSteps(provider, context, signal), signal);
    results.losses = found.losses;
    fallbacks = found.fallbacks;
    return found.milliseconds;
  });
  const compared = compare(training, results.losses, reference.losses, most.losses);
  return {
    row: {
      ...row,
      model: withoutRemedy(row.model),
      training: withoutRemedy(compared),
      ...(fallbacks === undefined ? {} : { fallbacks }),
      ...(training.remedy === undefined ? {} : { remedy: training.remedy }),
    },
    results,
  };
}

type Attempt = Try & { remedy?: string | undefined };

const withoutRemedy = ({ remedy: _, ...rest }: Attempt): Try => rest;

/** The milliseconds that `work` tells, or why it failed. */
async function attempt(
  { seconds, signal }: TryContext,
  work: (signal: AbortSignal) => Promise<number>,
): Promise<Attempt> {
  const limit = AbortSignal.timeout(seconds * 1000);
  try {
    return { state: "works", milliseconds: await work(AbortSignal.any([signal, limit])) };
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted)
      return { state: "fails", why: `it did not end within ${seconds} seconds`, remedy: slow };
    if (!(error instanceof UserError)) throw error;
    return { state: "fails", why: error.message, remedy: error.hint };
  }
}

const slow = "A device that is emulated in software takes long; give it more with --seconds.";

function compare(
  tried: Attempt,
  computed: ArrayLike<number> | undefined,
  expected: ArrayLike<number> | undefined,
  limit: number,
): Attempt {
  if (tried.state !== "works" || computed === undefined || expected === undefined) return tried;
  const sums = { signal: 0, noise: 0 };
  addNoise(sums, Float64Array.from(expected), Float64Array.from(computed));
  const difference = Math.sqrt(sums.noise / sums.signal);
  if (difference <= limit) return { ...tried, difference };
  const why = `its results are ${(100 * difference).toPrecision(2)} % off those of the CPU`;
  return { ...tried, state: "differs", ...(Number.isFinite(difference) ? { difference } : {}), why };
}

/** Milliseconds of a run after one that warmed up. */
async function runModel(provider: string, results: ProbeResults): Promise<number> {
  return withSession(probeModel(), { provider }, async (session) => {
    const feeds = { x: probeInput() };
    const { scores } = await session.run(feeds);
    results.outputs = readNumbers(scores as Tensor);
    return session.time(feeds);
  });
}

/** Steps of EfQAT in float, whose numbers are those of every provider. */
async function trainSteps(
  provider: string,
  { files }: TryContext,
  signal: AbortSignal,
): Promise<{ milliseconds: number; losses: readonly number[]; fallbacks: string[] | undefined }> {
  const report = await profile(probeOptions(provider, files), { logger: silentLogger, signal });
  const { stepMs = 0, losses = [], fallbacks } = report.profile ?? {};
  return { milliseconds: stepMs, losses, fallbacks: fallbacks?.map(({ op }) => op) };
}

function probeOptions(provider: string, { model, data, labels }: ProbeFiles): ProfileOptions {
  return {
    model,
    provider,
    threads: 1,
    seed: 0,
    steps,
    data: { path: data, labels },
    quantization: {
      target: targetNamed("ort-cpu-no-vnni"),
      wbits: 8,
      abits: 8,
      firstLast: "8",
      otherActivations: "same",
      excludeOps: [],
      excludeNodes: [],
      calibration: "minmax",
      int4: "container",
      calibrationSamples: 16,
    },
    training: {
      mode: "cwpl",
      ratio: 0.5,
      budget: 0.5,
      importance: "magnitude",
      batch: 8,
      loss: "auto",
      forward: "float",
      backward: "float",
      portable: false,
      algorithms: "estimate",
      optimizer: {},
    },
  };
}
