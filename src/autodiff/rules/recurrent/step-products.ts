import type { GradientBuilder } from "../../../lowering/gradient-builder.ts";
import type { DataType } from "../../../tensor/data-type.ts";
import type { Direction, LayerSizes } from "./direction.ts";
import type { LoopValue } from "./scan-steps.ts";

/** Products of all steps at once: values [steps, batch, width] as matrices of steps*batch rows. */
export class StepProducts {
  readonly #b: GradientBuilder;
  readonly #sizes: LayerSizes;

  constructor(b: GradientBuilder, sizes: LayerSizes) {
    this.#b = b;
    this.#sizes = sizes;
  }

  /** value · matrixᵀ, [steps, batch, rows of the matrix] */
  byRows(value: string, matrix: string): string {
    const transposed = { transA: 0, transB: 1 };
    return this.#apart(this.#b.gradient("MatMulTransposed", [this.#flat(value), matrix], transposed));
  }

  /** value · matrix, [steps, batch, columns of the matrix] */
  byColumns(value: string, matrix: string): string {
    return this.#apart(this.#b.op("MatMul", [this.#flat(value), matrix]));
  }

  /** Sum over steps and batch of leftᵀ · right, [width of left, width of right] */
  sum(left: string, right: string): string {
    const transposed = { transA: 1, transB: 0 };
    return this.#b.gradient("MatMulTransposed", [this.#flat(left), this.#flat(right)], transposed);
  }

  #flat(value: string): string {
    return this.#b.reshape(value, [this.#sizes.steps * this.#sizes.batch, -1]);
  }

  #apart(value: string): string {
    return this.#b.reshape(value, [this.#sizes.steps, this.#sizes.batch, -1]);
  }
}

/** `count` pieces of equal width along an axis. */
export function splitGates(
  b: GradientBuilder,
  value: string,
  axis: number,
  count: number,
  width: number,
): string[] {
  const sizes = b.ints(new Array<number>(count).fill(width));
  return [...b.outputs("Split", [value, sizes], { axis }, count)];
}

/** A value that is 0 beyond the end of a sequence. */
export const masked = (b: GradientBuilder, value: string, kept: string | undefined): string =>
  kept === undefined ? value : b.mul(value, kept);

/** For the steps of a loop: 1 beyond the end of a sequence, where a step hands on the state's gradient as it is. */
export function passedOn(b: GradientBuilder, { kept, sizes }: Direction, dtype: DataType): LoopValue[] {
  if (kept === undefined) return [];
  return [{ value: b.sub(b.scalar(1, dtype), kept), shape: [sizes.batch, 1] }];
}
