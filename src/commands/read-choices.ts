import {
  type ArtifactChoices,
  type AskedTraining,
  type AskedFreezing,
  calibrationMethods,
  type CourseChoices,
  importanceNames,
  modeNames,
  parseLoss,
  type OpenFreezing,
  type QuantizationChoices,
  quantizerRates,
  requireCores,
  type RuntimeOptions,
  splitBatch,
  usualOptimizer,
  usualRates,
  weightRates,
} from "../workflows/index.ts";
import { usageError } from "../errors.ts";
import type { OptionReader } from "./option-reader.ts";
import { readAugment } from "./read-data.ts";

const fraction = { min: 0, max: 1 };
const count = { min: 1, integer: true };

/** --seed, --threads, --provider. */
export function readRun(options: OptionReader): RuntimeOptions & { seed: number } {
  return {
    seed: options.needNumber("seed", { min: 0, max: 2 ** 32 - 1, integer: true }),
    threads: options.number("threads", count),
    provider: options.needText("provider"),
  };
}

const readWeightBits = (options: OptionReader): 4 | 8 =>
  options.choice("wbits", ["8", "4"]) === "4" ? 4 : 8;

const activationBits = { "16": 16, "8": 8, "4": 4 } as const;

const readActivationBits = (options: OptionReader): 4 | 8 | 16 =>
  activationBits[options.choice("abits", ["16", "8", "4"])];

/** What the plan needs: bits, first and last layer, exclusions. */
export function readPlan(options: OptionReader) {
  return {
    target: options.needText("target"),
    wbits: readWeightBits(options),
    abits: readActivationBits(options),
    firstLast: options.choice("first-last", ["8", "same"]),
    otherActivations: options.choice("other-activations", ["8", "same"]),
    excludeOps: options.words("exclude-ops") ?? [],
    excludeNodes: options.words("exclude-nodes") ?? [],
    ...readQuantized(options),
  };
}

function readQuantized(options: OptionReader): { quantized?: "keep" | "redo" } {
  return options.text("quantized") === undefined
    ? {}
    : { quantized: options.choice("quantized", ["keep", "redo"]) };
}

export function readInt4(options: OptionReader): "container" | "initializer" {
  return options.choice("int4", ["container", "initializer"]);
}

function readSubgraphWeights(options: OptionReader): "float" | "int8" | undefined {
  const choices = ["float", "int8"] as const;
  return options.text("subgraph-weights") === undefined
    ? undefined
    : options.choice("subgraph-weights", choices);
}

export function readQuantization(options: OptionReader): QuantizationChoices {
  return {
    ...readPlan(options),
    calibration: options.choice("calibration", calibrationMethods),
    calibrationSamples: options.number("samples", count),
    statistics: options.text("stats"),
    encodings: options.text("encodings"),
    int4: options.text("int4") === undefined ? "container" : readInt4(options),
    subgraphWeights: readSubgraphWeights(options),
  };
}

/** The course of a training run. */
export function readCourse(options: OptionReader): CourseChoices {
  const workers = options.needNumber("workers", count);
  requireCores({ workers, provider: options.needText("provider") });
  return {
    refresh: options.needNumber("refresh", count),
    epochs: options.needNumber("epochs", { min: 0, open: true }),
    val: options.number("val", { min: 0 }) ?? "auto",
    schedule: {
      kind: options.choice("schedule", ["cosine", "linear", "constant"]),
      warmup: options.needNumber("warmup", fraction),
      final: 0,
    },
    augment: readAugment(options),
    workers,
    cache: options.text("cache"),
  };
}

/** Share of a full backward's time that --mode cost spends where --budget does not say. */
const usualBudget = 0.5;

function readFreezing(options: OptionReader): OpenFreezing {
  const mode = options.choice("mode", ["auto", ...modeNames]);
  return {
    mode,
    ratio: options.needNumber("train-rows", fraction),
    budget: readBudget(options, mode) ?? usualBudget,
    importance: options.choice("importance", ["auto", ...importanceNames]),
  };
}

/** --budget, which no mode but cost looks at; `mode` undefined: that of a built artifact. */
function readBudget(options: OptionReader, mode: OpenFreezing["mode"] | undefined): number | undefined {
  const budget = options.number("budget", fraction);
  if (budget !== undefined && mode !== undefined && mode !== "cost") {
    throw usageError(
      "budget",
      `--budget is what --mode cost spends, and the mode is ${mode}`,
      "--budget, --mode",
      "Add --mode cost, or leave --budget out.",
    );
  }
  return budget;
}

/** How rows are chosen, as far as a run on a built artifact asks for something else. */
export function readAskedFreezing(options: OptionReader): AskedFreezing {
  const given = <T>(name: string, read: (name: string) => T): T | undefined =>
    options.text(name) === undefined ? undefined : read(name);
  const mode = given("mode", (name): OpenFreezing["mode"] => options.choice(name, ["auto", ...modeNames]));
  return {
    mode,
    ratio: options.number("train-rows", fraction),
    budget: readBudget(options, mode),
    importance: given("importance", (name) => options.choice(name, ["auto", ...importanceNames])),
  };
}

/** A limit that no norm in float32 exceeds; unlike infinity it is a number in JSON. */
const largestFloat = (2 - 2 ** -23) * 2 ** 127;

/** Rates that replace those of a built artifact, by the optimizer model's input names. */
export function readHyper(options: OptionReader): Record<string, number> {
  const rates = readRates(options);
  const clip = options.number("clip", { min: 0 });
  const values: Record<string, number | undefined> = {
    "lr.weights": rates.weightRate,
    "lr.parameters": rates.parameterRate,
    "lr.activation_scales": rates.activationScaleRate,
    "lr.weight_scales": rates.weightScaleRate,
    "lr.zero_points": rates.zeroPointRate,
    momentum: options.number("momentum", fraction),
    weight_decay: options.number("weight-decay", { min: 0 }),
    clip_norm: clip === 0 ? largestFloat : clip,
  };
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Record<string, number>;
}

/** Training options that are built into an artifact. */
export function readArtifactChoices(options: OptionReader): AskedTraining {
  return {
    ...readFreezing(options),
    ...readBatch(options),
    loss: parseLoss(options.needText("loss")),
    distill: options.number("distill", fraction),
    forward: options.choice("forward", ["auto", "float", "integer"]),
    backward: options.choice("backward", ["auto", "float", "integer"]),
    algorithms: options.choice("algorithms", ["auto", "trial", "estimate"]),
    cache: options.text("cache"),
    portable: options.flag("portable"),
    optimizer: readOptimizer(options),
  };
}

/** --batch and the part of it that one run of the training graph takes, or what that part is chosen by. */
function readBatch(options: OptionReader): Pick<AskedTraining, "batch" | "microBatch" | "memoryLimit"> {
  const batch = options.number("batch", count);
  const microBatch = options.number("micro-batch", count);
  const memoryLimit = options.bytes("memory-limit");
  if (microBatch !== undefined && memoryLimit !== undefined) {
    throw usageError(
      "memory-limit",
      "A memory limit chooses the micro-batch, so only one of the two can be given",
      "--memory-limit, --micro-batch",
      "Leave one of them out.",
    );
  }
  if (batch !== undefined) splitBatch({ batch, microBatch });
  return { batch, microBatch, memoryLimit };
}

function readOptimizer(options: OptionReader): ArtifactChoices["optimizer"] {
  const clip = options.needNumber("clip", { min: 0 });
  const kind =
    options.text("optimizer") === undefined
      ? usualOptimizer(readActivationBits(options))
      : options.choice("optimizer", ["adamw", "sgd"]);
  return {
    ...usualRates(kind, readWeightBits(options)),
    kind,
    momentum: options.needNumber("momentum", fraction),
    weightDecay: options.needNumber("weight-decay", { min: 0 }),
    clipNorm: clip === 0 ? Infinity : clip,
    ...readRates(options),
  };
}

/** --lr and --lr-scale as the rates they stand for. */
function readRates(options: OptionReader): Partial<ArtifactChoices["optimizer"]> {
  const rate = options.number("lr", { min: 0 });
  const scaleRate = options.number("lr-scale", { min: 0 });
  return {
    ...(rate === undefined ? {} : weightRates(rate)),
    ...(scaleRate === undefined ? {} : quantizerRates(scaleRate)),
  };
}
