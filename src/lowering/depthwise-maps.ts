import type { WindowProblem } from "../ops/gradient-nodes.ts";
import type { GradientBuilder } from "./gradient-builder.ts";

/** Groups of the convolution: every image of every row. */
export const mapsOf = ({ x }: WindowProblem): number => (x[0] as number) * (x[1] as number);

/** Sums of each map, of the given shape, added up over images: [R, ...shape]. */
export function overImages(
  b: GradientBuilder,
  sums: string,
  { x }: WindowProblem,
  shape: readonly number[],
): string {
  return b.sum(b.reshape(sums, [x[0] as number, x[1] as number, ...shape]), [0]);
}
