import { InternalError } from "../errors.ts";
import { dotByChannels } from "../lowering/channel-sums.ts";
import type { GradientBuilder } from "../lowering/gradient-builder.ts";
import type { TypedValue } from "./typed-value.ts";

/** Emits <g, v> of one contribution g to the gradient of v, for less than the product and its sum. */
export type Dot = () => string;

interface Part {
  gradient: string;
  dot: Dot | undefined;
}

/** What has flowed into each value's gradient so far. */
export class GradientSums {
  readonly #build: GradientBuilder;
  readonly #parts = new Map<string, Part[]>();
  readonly #totals = new Map<string, string>();

  constructor(build: GradientBuilder) {
    this.#build = build;
  }

  /** Adds a contribution. `dot`: how its inner product with the value is had cheaply, if it is. */
  contribute(name: string, gradient: string, dot?: Dot): void {
    if (this.#totals.has(name)) throw new InternalError(`a gradient of "${name}" came after it was used`);
    const parts = this.#parts.get(name);
    if (parts === undefined) this.#parts.set(name, [{ gradient, dot }]);
    else parts.push({ gradient, dot });
  }

  /** The sum of everything that flowed into a value; undefined when nothing did. */
  total(name: string): string | undefined {
    const known = this.#totals.get(name);
    const parts = this.#parts.get(name);
    if (known !== undefined || parts === undefined) return known;
    const sum = parts.map((part) => part.gradient).reduce((left, right) => this.#build.add(left, right));
    this.#totals.set(name, sum);
    return sum;
  }

  /**
   * <g, v> of a value and its whole gradient, as a scalar: the sum of the contributions' own inner products
   * where at most one of them has to be multiplied out, else of the total. `value` is how the backward reads v.
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
