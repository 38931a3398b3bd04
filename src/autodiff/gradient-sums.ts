import { InternalError } from "../errors.ts";
import { dotByChannels } from "../lowering/channel-sums.ts";
import type { GradientBuilder } from "../lowering/gradient-builder.ts";
import type { TypedValue } from "./typed-value.ts";

/**
 * Emits the inner product <g, v> of one contribution g to the gradient of v, cheaper than by multiplying and summing.
 */
export type Dot = () => string;

interface Part {
  gradient: string;
  dot: Dot | undefined;
}

/** The contributions to each value's gradient so far. */
export class GradientSums {
  readonly #build: GradientBuilder;
  readonly #parts = new Map<string, Part[]>();
  readonly #totals = new Map<string, string>();

  constructor(build: GradientBuilder) {
    this.#build = build;
  }

  /** Adds a contribution. `dot`: a cheap way to its inner product with the value, if there is one. */
  contribute(name: string, gradient: string, dot?: Dot): void {
    if (this.#totals.has(name)) throw new InternalError(`a gradient of "${name}" came after it was used`);
    const parts = this.#parts.get(name);
    if (parts === undefined) this.#parts.set(name, [{ gradient, dot }]);
    else parts.push({ gradient, dot });
  }

  /** The sum of all contributions to a value's gradient; undefined if there are none. */
  total(name: string): string | undefined {
    const known = this.#totals.get(name);
    const parts = this.#parts.get(name);
    if (known !== undefined || parts === undefined) return known;
    const sum = parts.map((part) => part.gradient).reduce((left, right) => this.#build.add(left, right));
    this.#totals.set(name, sum);
    return sum;
  }

  /**
   * <g, v> of a value and its whole gradient, as a scalar: the sum of the contributions' inner products if at most one
   * of them has no cheap way, otherwise the product with the total. `value`: v as the backward reads it.
   */
  dot(name: string, value: TypedValue): string {
    const parts = this.#parts.get(name) ?? [];
    const costly = parts.filter((part) => part.dot === undefined);
    if (costly.length > 1 || costly.length === parts.length) {
      return dotByChannels(this.#build, this.total(name) as string, value);
    }
    const dots = parts.map((part) => part.dot?.() ?? dotByChannels(this.#build, part.gradient, value));
    return dots.reduce((left, right) => this.#build.add(left, right));
  }
}
