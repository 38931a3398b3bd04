import type { Artifact } from "../artifact/files.ts";

/** A shape at a batch size. */
export const atBatch = (shape: readonly (number | string)[], batch: number): number[] =>
  shape.map((dim) => (typeof dim === "number" ? dim : batch));

/** Static shapes of all inputs: a symbol has the same size wherever it stands, and the state tells it. */
export function bindSymbols(
  inputs: Artifact["manifest"]["optimizer"]["inputs"],
  state: ReadonlyMap<string, readonly number[]>,
): Map<string, number[]> {
  const sizes = new Map<string, number>();
  for (const { name, shape } of inputs)
    shape.forEach((dim, axis) => {
      const size = state.get(name)?.[axis];
      if (typeof dim === "string" && size !== undefined) sizes.set(dim, size);
    });
  const sizeOf = (dim: number | string): number => (typeof dim === "number" ? dim : (sizes.get(dim) ?? 1));
  return new Map(inputs.map(({ name, shape }) => [name, shape.map(sizeOf)]));
}
