import { z } from "zod";

/** Values of options as they stand in YAML; lists are joined by commas. */
const optionValue = z.union([
  z.string(),
  z.number(),
  z.boolean(),
  z.array(z.union([z.string(), z.number()])),
]);

const duration = z
  .string()
  .regex(/^\d+(\.\d+)? ?(s|min|h)$/, "a time with its unit, such as 90s, 30min or 2h")
  .describe("Time with its unit.");

const size = z
  .string()
  .regex(/^\d+(\.\d+)? ?[kMGT]i?B$/i, "a size with its unit, such as 800MB or 4GB")
  .describe("Size with its unit.");

const limitsSchema = z.strictObject({
  time: duration.optional(),
  memory: size.optional(),
  attempts: z.number().int().min(1).max(20).optional().describe("Times that a job is tried at most."),
});

/** What may be said of all models, of those that a pattern names, and of one. */
const choicesSchema = z.strictObject({
  command: z.enum(["quantize", "optimize"]).optional(),
  recipe: z.string().min(1).optional().describe("auto, none, or the name of a recipe."),
  data: z.string().min(1).optional().describe("What --data takes; paths count from the file's folder."),
  targets: z.array(z.string().min(1)).min(1).optional(),
  options: z.record(z.string(), optionValue).optional().describe("Options of the command, without dashes."),
  limits: limitsSchema.optional(),
  priority: z.number().int().min(-1000).max(1000).optional().describe("Higher goes first."),
});

/** The file zoo.yaml. */
export const manifestSchema = z.strictObject({
  version: z.literal(1),
  out: z.string().min(1).optional().describe("Folder of the results; default: zoo-results beside the file."),
  defaults: choicesSchema.optional(),
  rules: z.array(choicesSchema.extend({ match: z.string().min(1).describe("Pattern of names.") })).optional(),
  models: z
    .array(
      choicesSchema.extend({
        path: z.string().min(1).describe("A file, or a pattern such as vision/*.onnx."),
        name: z.string().min(1).optional().describe("Default: the path without its ending."),
      }),
    )
    .min(1),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type Choices = z.infer<typeof choicesSchema>;
export type OptionValue = z.infer<typeof optionValue>;
