import type { AugmentOptions } from "./dataset.ts";
import { asIs, type Placement } from "./image.ts";
import { mixSeed, randomStream } from "./random.ts";

/** The placement of the sample at `position` of a read, drawn from the seed; as it is without augmentation. */
export function drawPlacement(augment: AugmentOptions | undefined, position: number): Placement {
  if (augment === undefined) return asIs;
  const random = randomStream(mixSeed(augment.seed, position));
  const shift = (): number => Math.floor(random() * (2 * augment.crop + 1)) - augment.crop;
  return { flip: augment.flip && random() < 0.5, top: shift(), left: shift() };
}
