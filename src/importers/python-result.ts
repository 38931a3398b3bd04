import { z } from "zod";

const text = z.string();

/** What a script of /python tells of its work. */
export const pythonResultSchema = z.discriminatedUnion("ok", [
  z.object({
    ok: z.literal(true),
    /** The way of exporting that worked: exporter, and whether the batch is open. */
    attempt: text,
    /** Ways that failed before. */
    failures: z.array(z.object({ attempt: text, what: text })),
    notes: z.array(text),
    versions: z.record(text, text),
    inputs: z.array(text),
    outputs: z.array(text),
    /** Axes that stay open, by input. */
    openAxes: z.record(text, z.array(z.number())),
    /** Number of feeds with expected outputs. */
    references: z.number(),
    architecture: text.optional(),
  }),
  z.object({
    ok: z.literal(false),
    kind: z.enum(["package", "input", "build", "run", "export", "folder"]),
    what: text,
    hint: text,
    where: text,
    package: text.optional(),
  }),
]);

export type PythonResult = z.infer<typeof pythonResultSchema>;
export type Exported = Extract<PythonResult, { ok: true }>;
