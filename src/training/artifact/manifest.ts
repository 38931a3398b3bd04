import { z } from "zod";
import type { ModelInput } from "../../data/model-input.ts";
import { modelError } from "../../errors.ts";
import { type DataType, dataTypes } from "../../tensor/data-type.ts";
import { type ImportanceName, importanceNames } from "../freezing/importance.ts";
import { modeNames, type SelectionMode } from "../freezing/modes.ts";
import { readStored } from "./stored-manifest.ts";

const elementType = z.enum(Object.keys(dataTypes) as [DataType, ...DataType[]]);
const dims = z.array(z.union([z.number().int().nonnegative(), z.string()]));
const port = z.object({ name: z.string(), type: elementType, shape: dims });
const count = z.number().int();

const weight = z.object({
  name: z.string(),
  /** The nodes that read it; `node` is the first. */
  node: z.string(),
  nodes: z.array(z.string()),
  op: z.string(),
  shape: z.array(count),
  /** The axis of rows. */
  axis: count,
  bits: count,
  granularity: z.literal("tensor").exactOptional(),
  pairLimit: z.number().exactOptional(),
  qmin: count,
  qmax: count,
  codes: z.string(),
  scale: z.string(),
  rows: z.string(),
  latent: z.string(),
  grad: z.string(),
  scaleGrad: z.string(),
  /** Optimizer state of trained rows: [R, ...rest] each where `perElement`, else [R]. */
  slots: z.array(z.object({ name: z.string(), perElement: z.boolean() })),
});

const activation = z.object({
  name: z.string(),
  /** The first of the tensors that share this quantizer. */
  tensor: z.string(),
  bits: count,
  qmin: count,
  qmax: count,
  scale: z.string(),
  zeroPoint: z.string(),
  /** null where scale or zero point is fixed. */
  scaleGrad: z.string().nullable(),
  zeroPointGrad: z.string().nullable(),
});

const target = port.extend({
  source: z.discriminatedUnion("from", [
    z.object({ from: z.literal("labels") }),
    /** What `float_model.onnx` gives for this output on the same inputs. */
    z.object({ from: z.literal("teacher"), output: z.string() }),
    /** An array that comes with the data. */
    z.object({ from: z.literal("data"), array: z.string() }),
  ]),
  /** Of label sequences: what their labels stand for, and how many steps they are written into. */
  sequences: z.object({ classes: count, blank: count, steps: count }).optional(),
});

const optimizerInput = port.extend({
  role: z.enum(["state", "gradient", "hyper"]),
  default: z.number().nullable(),
});
const optimizerOutput = z.object({
  name: z.string(),
  updates: z.string().nullable(),
  rows: z.string().nullable(),
  axis: count.nullable(),
});

const placed = z.object({ node: z.string(), op: z.string(), reason: z.string() });
const bits = z.union([z.literal(8), z.literal(4)]);

/** The quantization plan, from which the trained model is exported. */
const planSchema = z.object({
  target: z.string().default("ort-cpu"),
  activations: z.array(
    z.object({
      name: z.string(),
      tensors: z.array(z.string()),
      bits: z.union([bits, z.literal(16)]),
      signed: z.boolean(),
      symmetric: z.boolean(),
      fixedRange: z.tuple([z.number(), z.number()]).exactOptional(),
      fixedZeroPoint: z.boolean(),
      trainable: z.boolean(),
      observed: z.string().exactOptional(),
      leastRange: z.number().exactOptional(),
      constant: z.literal(true).exactOptional(),
      /** Infinite bounds are null in JSON. */
      saturation: z
        .object({
          min: z.number().nullable(),
          max: z.number().nullable(),
        })
        .exactOptional(),
    }),
  ),
  weights: z.array(
    z.object({
      name: z.string(),
      nodes: z.array(z.string()),
      op: z.string(),
      axis: count,
      bits,
      granularity: z.literal("tensor").exactOptional(),
      pairLimit: z.number().exactOptional(),
    }),
  ),
  biases: z.array(
    z.object({ name: z.string(), node: z.string(), activation: z.string(), weight: z.string() }),
  ),
  readers: z.array(z.string()).exactOptional(),
  dropped: z.array(placed.extend({ form: z.enum(["both", "deploy"]) })),
  float: z.array(placed),
});

/** `manifest.json`: what connects the files of a training artifact. */
const manifestSchema = z.object({
  formatVersion: z.literal(1),
  sourceModel: z.object({ file: z.string(), sha256: z.string() }),
  opset: count,
  usesContribOps: z.boolean(),
  /** Samples per run of the training graph. */
  batch: count.positive(),
  /** Runs of the training graph per optimizer step, whose gradients are averaged. */
  accumulate: count.positive().default(1),
  forward: z.enum(["float", "integer"]),
  /** What data gradients of layers are computed with. */
  backward: z.enum(["float", "integer"]).default("float"),
  /** Quantized layers that the integer forward computes in float, and why. */
  floatLayers: z.array(z.object({ node: z.string(), op: z.string(), reason: z.string() })).default([]),
  /** Algorithms of gradients that trials found clearly faster than the estimate's, by question. */
  algorithmsByTrial: z.record(z.string(), z.string()).default({}),
  sessionConfig: z.record(z.string(), z.string()),
  inputs: z.array(port),
  outputs: z.array(port),
  loss: z.object({
    kind: z.string(),
    terms: z.array(
      z.object({
        /** "onnx" where the loss is a model that became part of the graphs. */
        term: z.string(),
        weight: z.number(),
        output: z.string(),
        /** "labels" or an array of the data, where it is not the usual target. */
        target: z.string().optional(),
        /** The input that says which positions are no padding. */
        mask: z.string().optional(),
        /** Of ctc: how label sequences and the output go together. */
        sequence: z
          .object({
            length: count,
            steps: count.optional(),
            classes: count,
            blank: count,
            samplesAxis: z.literal([0, 1]),
          })
          .optional(),
      }),
    ),
    targets: z.array(z.string()),
  }),
  targets: z.array(target),
  weights: z.array(weight),
  activations: z.array(activation),
  parameters: z.array(
    z.object({
      name: z.string(),
      kind: z.enum(["bias", "norm", "other"]),
      shape: z.array(count),
      input: z.string(),
      grad: z.string(),
    }),
  ),
  /** Quantized weights and float parameters that no gradient reaches: constants of the graphs, as calibration left them. */
  frozen: z.array(z.string()),
  untrainable: z.array(z.object({ node: z.string(), op: z.string(), reason: z.string() })),
  optimizer: z.object({
    weights: z.record(z.string(), z.unknown()),
    quantization: z.record(z.string(), z.unknown()),
    inputs: z.array(optimizerInput),
    outputs: z.array(optimizerOutput),
    vectors: z.array(
      z.object({
        name: z.string(),
        members: z.array(z.object({ name: z.string(), offset: count, length: count })),
      }),
    ),
  }),
  flops: z.object({
    forward: z.number(),
    backwardData: z.number(),
    backwardWeightFull: z.number(),
    /** FLOPs of one row's weight gradient, by weight. */
    backwardWeightPerRow: z.record(z.string(), z.number()),
  }),
  freezing: z.object({
    mode: z.enum(modeNames as [SelectionMode, ...SelectionMode[]]),
    ratio: z.number(),
    budget: z.number(),
    importance: z.enum(importanceNames as [ImportanceName, ...ImportanceName[]]),
  }),
  quantization: planSchema,
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestWeight = Manifest["weights"][number];
export type ManifestActivation = Manifest["activations"][number];

/** The quantized weights that are constants of the graphs; their codes and scales are in the checkpoint all the same. */
export function frozenWeights({ frozen, quantization }: Pick<Manifest, "frozen" | "quantization">) {
  const names = new Set(frozen);
  return quantization.weights.filter(({ name }) => names.has(name));
}

/** What the samples feed: the source model's inputs and the loss's targets. */
export const dataPorts = ({ inputs, targets }: Pick<Manifest, "inputs" | "targets">) => [
  ...inputs,
  ...targets,
];

/** The inputs that an artifact's data feed, as data sets are opened for them. */
export function modelInputs({ inputs }: Manifest): ModelInput[] {
  // Training fixes all dimensions but the batch.
  const isBatch = (dim: number | string): boolean => typeof dim === "string";
  const open = inputs.some(({ shape }) => shape.some(isBatch));
  return inputs.map(({ name, type, shape }) => ({
    name,
    dtype: type,
    shape,
    ...(open ? { batchAxis: shape.findIndex(isBatch) } : {}),
  }));
}

/** File names in an artifact directory. */
export const artifactFiles = {
  trainingModel: "training_model.onnx",
  evalModel: "eval_model.onnx",
  optimizerModel: "optimizer_model.onnx",
  /** The prepared float model: gives teacher targets, and the float weights that latents start from. */
  floatModel: "float_model.onnx",
  checkpoint: "checkpoint.safetensors",
  manifest: "manifest.json",
} as const;

/** Names of all files that an artifact directory may hold, those of large weights beside the graphs included. */
export const artifactFileNames: readonly string[] = Object.values(artifactFiles).flatMap((name) =>
  name.endsWith(".onnx") ? [name, `${name}.data`] : [name],
);

/** Reads a manifest from JSON text. Throws a UserError that names the field which is wrong. */
export function parseManifest(text: string, where: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw modelError("manifest", "The manifest is not JSON", where, "Build the artifact again.", error);
  }
  const parsed = manifestSchema.safeParse(readStored(value));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw modelError(
    "manifest",
    `The manifest is not one of format version 1: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
    where,
    "Build the artifact again with this version of efqat.",
  );
}
