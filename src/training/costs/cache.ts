import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { makeFolder, writeFileAtomically } from "../../atomic-file.ts";
import { runtimeVersion } from "../../runtime/session.ts";
import type { StepCosts } from "../freezing/selection.ts";

/** {@link StepCosts} as they are stored. */
export const stepCostsSchema = z.object({
  forward: z.number().nonnegative(),
  full: z.number().nonnegative(),
  positions: z.record(z.string(), z.number()),
  weights: z.record(
    z.string(),
    z.object({
      position: z.number(),
      reach: z.number().nonnegative(),
      fixed: z.number().nonnegative(),
      perRow: z.number().nonnegative(),
    }),
  ),
});

/** What the times depend on: the training graph's bytes and where it runs. */
export function costKey(trainingModel: Uint8Array, settings: unknown): string {
  const place = [runtimeVersion(), cpus()[0]?.model, cpus().length, settings];
  return createHash("sha256").update(trainingModel).update(JSON.stringify(place)).digest("hex").slice(0, 32);
}

/**
 * Algorithms that trials found best, by question: those that the folder (null: none) keeps, those `tried` already, and what
 * `extend` adds because it is not known yet.
 */
export async function cachedAlgorithms(
  folder: string | null,
  settings: unknown,
  tried: ReadonlyMap<string, string>,
  extend: (table: Map<string, string>) => Promise<void>,
): Promise<Map<string, string>> {
  const name = `algorithms-${costKey(new Uint8Array(), settings)}`;
  const known = await readKept(folder, name, z.record(z.string(), z.string()));
  const table = new Map([...Object.entries(known ?? {}), ...tried]);
  const before = table.size;
  await extend(table);
  if (table.size > before) await keep(folder, name, Object.fromEntries(table));
  return table;
}

/** What was measured before under this key, else what `measure` finds now. */
export const cachedCosts = (
  folder: string | null,
  key: string,
  measure: () => Promise<StepCosts>,
): Promise<StepCosts> => cached(folder, `step-costs-${key}`, stepCostsSchema, measure);

/** Which of several training graphs was the fastest. */
export const cachedChoice = (
  folder: string | null,
  key: string,
  race: () => Promise<number>,
): Promise<number> => cached(folder, `choice-${key}`, z.number(), race);

async function cached<T>(
  folder: string | null,
  name: string,
  form: z.ZodType<T>,
  find: () => Promise<T>,
): Promise<T> {
  const known = await readKept(folder, name, form);
  if (known !== undefined) return known;
  const found = await find();
  await keep(folder, name, found);
  return found;
}

/** What the folder (null: none) keeps under a name. A file that cannot be read is measured again. */
async function readKept<T>(folder: string | null, name: string, form: z.ZodType<T>): Promise<T | undefined> {
  if (folder === null) return undefined;
  return readFile(join(folder, `${name}.json`), "utf8")
    .then((text) => form.parse(JSON.parse(text)))
    .catch(() => undefined);
}

/** Keeps a value for the next time, if that can be: times are never worth a failed run. */
async function keep(folder: string | null, name: string, value: unknown): Promise<void> {
  if (folder === null) return;
  const text = JSON.stringify(value);
  await makeFolder(folder)
    .then(() => writeFileAtomically(join(folder, `${name}.json`), (handle) => handle.writeFile(text)))
    .catch(() => undefined);
}
