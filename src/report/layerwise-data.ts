import { z } from "zod";

const finite = z.number();
const text = z.string();
const interval = z.tuple([finite, finite]);

const histogramSchema = z
  .object({
    from: finite.describe("Lower end of the first bin."),
    width: finite.describe("Width of a bin."),
    counts: z.array(finite).max(64).describe("Values in each bin; zeros are not among them."),
    zeros: finite.describe("Values that are exactly zero."),
  })
  .describe("How often values occur.");

const clipped = finite.describe("Share of the float model's values beyond what the codes can hold.");

/** Layer by layer, how far a quantized file is from the float model, and what its codes are made from. */
export const layerwiseSchema = z
  .object({
    samples: finite.describe("Samples that the activations are of."),
    activations: z.array(
      z.object({
        value: text,
        op: text.describe("What computes it."),
        weight: text.optional().describe("The quantized weight that it is computed with."),
        bits: finite,
        alone: finite.describe(
          "SQNR in dB against the float model where only this layer is quantized: its inputs are the float model's.",
        ),
        accumulated: finite.describe("SQNR in dB where all layers before it are quantized, too."),
        range: interval.describe("Least and largest value that its codes hold."),
        clipped,
        histogram: histogramSchema.describe("The float model's values."),
      }),
    ),
    weights: z.array(
      z.object({
        weight: text,
        bits: finite,
        sqnr: finite.describe("dB, codes against the float model's weights; training moves it on purpose."),
        range: interval.describe("Least and largest weight that the codes of any row hold."),
        clipped,
        histogram: histogramSchema.describe("The float model's weights."),
      }),
    ),
  })
  .describe("Layer by layer, the written file against the float model.");
