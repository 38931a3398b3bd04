import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile, rename } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { runtimeVersion } from "../../runtime/session.ts";
import type { StepCosts } from "../freezing/budget.ts";

const schema = z.object({
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

/** Forms that trials found best, by question, kept like costs; see {@link cachedCosts}. */
export async function cachedForms(
  folder: string | null,
  settings: unknown,
  extend: (table: Map<string, string>) => Promise<void>,
): Promise<Map<string, string>> {
  const file = folder === null ? null : join(folder, `forms-${costKey(new Uint8Array(), settings)}.json`);
  const known = file === null ? {} : await readRecord(file);
  const table = new Map(Object.entries(known));
  const before = table.size;
  await extend(table);
  if (folder !== null && file !== null && table.size > before)
    await store(folder, file, JSON.stringify(Object.fromEntries(table))).catch(() => undefined);
  return table;
}

async function readRecord(file: string): Promise<Record<string, string>> {
  return readFile(file, "utf8")
    .then((text) => z.record(z.string(), z.string()).parse(JSON.parse(text)))
    .catch(() => ({}));
}

/**
 * What was measured before under this key, else what `measure` finds now, which is kept in `folder` (null: nowhere). A
 * file that cannot be read or written is measured again: times are never worth a failed run.
 */
export async function cachedCosts(
  folder: string | null,
  key: string,
  measure: () => Promise<StepCosts>,
): Promise<StepCosts> {
  if (folder === null) return measure();
  const file = join(folder, `costs-${key}.json`);
  const known = await readFile(file, "utf8")
    .then((text) => schema.parse(JSON.parse(text)))
    .catch(() => undefined);
  if (known !== undefined) return known;
  const costs = await measure();
  await store(folder, file, JSON.stringify(costs)).catch(() => undefined);
  return costs;
}

async function store(folder: string, file: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const whole = `${file}.${process.pid}`;
  await writeFile(whole, text);
  await rename(whole, file);
}
