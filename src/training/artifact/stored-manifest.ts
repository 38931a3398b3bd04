import { z } from "zod";
import type { Manifest } from "./manifest.ts";

/** The text of `manifest.json`. A weight that trains is listed in `weights` alone; the plan, in its order, names it there. */
export function printManifest(manifest: Manifest): string {
  const listed = new Set(manifest.weights.map(({ name }) => name));
  const weights = manifest.quantization.weights.map((weight) =>
    listed.has(weight.name) ? weight.name : weight,
  );
  return `${JSON.stringify({ ...manifest, quantization: { ...manifest.quantization, weights } }, undefined, 1)}\n`;
}

const parts = z.looseObject({
  weights: z.array(z.looseObject({ name: z.string() })),
  quantization: z.looseObject({ weights: z.array(z.unknown()) }),
});

/** What `manifest.json` holds, with the fields' current names and with whole weights in the plan. */
export function readStored(value: unknown): unknown {
  const found = parts.safeParse(value);
  if (!found.success) return value;
  const { formsByTrial, ...manifest } = found.data;
  const listed = new Map<unknown, unknown>(manifest.weights.map((weight) => [weight.name, weight]));
  const weights = manifest.quantization.weights.map((weight) => listed.get(weight) ?? weight);
  return {
    ...(formsByTrial === undefined ? {} : { algorithmsByTrial: formsByTrial }),
    ...manifest,
    quantization: { ...manifest.quantization, weights },
  };
}
