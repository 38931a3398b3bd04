import { z } from "zod";
import { causeSchema } from "../jobs/job.ts";

/** What is known of a model before it is worked on. */
export const lookSchema = z.discriminatedUnion("ok", [
  z.object({
    ok: z.literal(true),
    /** Of the model's file and its external data. */
    sha256: z.string(),
    bytes: z.number(),
    /** Files of external data. */
    files: z.array(z.string()),
    recipe: z.object({ name: z.string(), because: z.string() }),
    /** Options that the recipe stands for, by command. */
    options: z.object({
      quantize: z.record(z.string(), z.string()),
      optimize: z.record(z.string(), z.string()),
    }),
    /** Multiply-accumulates of one sample, as far as shapes are known. */
    macs: z.number(),
    /** Estimate of what quantizing it takes. */
    memoryBytes: z.number(),
  }),
  z.object({ ok: z.literal(false), cause: causeSchema }),
]);

export type Look = z.infer<typeof lookSchema>;
