import { type Tensor, tensorOfBytes } from "../../tensor/tensor.ts";
import type { Manifest } from "../artifact/manifest.ts";
import { stateTensor, type TrainingState } from "../state.ts";

/**
 * What of the state the training graph reads, and so all that other workers hold of it: codes, scales, zero points, float
 * parameters and rows. Latents and the optimizer's own state stay with the optimizer.
 */
export function forwardNames({ weights, activations, parameters }: Manifest): string[] {
  return [
    ...weights.flatMap(({ codes, scale, rows }) => [codes, scale, rows]),
    ...activations.flatMap(({ scale, zeroPoint }) => [scale, zeroPoint]),
    ...parameters.map(({ input }) => input),
  ];
}

/** The rows of all weights that train. */
export const rowNames = ({ weights }: Manifest): string[] => weights.map(({ rows }) => rows);

/** The optimizer's outputs that change what the training graph reads. */
export function forwardUpdates(manifest: Manifest): Manifest["optimizer"]["outputs"] {
  const read = new Set(forwardNames(manifest));
  return manifest.optimizer.outputs.filter(({ updates }) => updates !== null && read.has(updates));
}

const none = new Uint8Array(0);

/** Updates, by the optimizer's outputs, as blocks in the manifest's order: whole tensors, and of codes the trained rows'. */
export const packUpdates = (manifest: Manifest, updates: Readonly<Record<string, Tensor>>): Uint8Array[] =>
  forwardUpdates(manifest).map(({ name }) => updates[name]?.bytes ?? none);

/** The updates that blocks are, for a state that has the tensors which they replace. */
export function unpackUpdates(
  manifest: Manifest,
  state: TrainingState,
  blocks: readonly Uint8Array[],
): Record<string, Tensor> {
  const entries = forwardUpdates(manifest).flatMap(({ name, updates, rows }, index): [string, Tensor][] => {
    const bytes = blocks[index] ?? none;
    if (bytes.byteLength === 0) return [];
    const { dtype, dims } = stateTensor(state, updates ?? "");
    return [[name, tensorOfBytes(dtype, rows === null ? dims : [bytes.byteLength], bytes)]];
  });
  return Object.fromEntries(entries);
}
