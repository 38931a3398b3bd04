import type { WindowProblem } from "../../ops/gradient-nodes.ts";
import { tensorAttribute } from "../../ir/attributes.ts";
import { elementCount, tensorOf } from "../../tensor/tensor.ts";
import type { GradientBuilder } from "../gradient-builder.ts";
import { type ResidueConvolution, residueConvolutions } from "./residue-convolutions.ts";

/**
 * A gradient as uint8 codes, (codes - zeroPoint) * scale, with its channels last, [N, ...spatial, C]: the layout that
 * ONNX Runtime's integer convolutions work in.
 */
export interface Coded {
  codes: string;
  scale: string;
  zeroPoint: string;
}

/** Codes of gradients made by integer kernels are symmetric around this one. */
export const middle = 128;

export const middleCode = (b: GradientBuilder): string =>
  b.emitter.constant(tensorOf("uint8", [], Uint8Array.of(middle)));

/** Whether `codedConvDataGrad` can compute dx of a convolution. */
export const fitsCodes = (problem: WindowProblem): boolean =>
  problem.group === 1 && residueConvolutions(problem) !== undefined;

/**
 * Codes of dx of an ungrouped convolution, from those of dy.
 *
 * With stride 1 dx = QLinearConv(dy, w'), w'[ci, co, k] = w[co, ci, K-1-k]; with strides the elements of x at the same
 * remainder are such a convolution each, with the taps of w that meet them, and then interleaved. w' has one scale per
 * ci: those of w are along the axis that is summed over.
 */
export function codedConvDataGrad(
  b: GradientBuilder,
  dy: Coded,
  weight: { codes: string; scale: string },
  problem: WindowProblem,
  scale: string,
): Coded {
  const backwardWeight = requantizeWeight(b, weight, problem);
  const zeroPoint = middleCode(b);
  const zeros = b.emitter.constant(
    tensorOf("int8", [problem.x[1] as number], new Int8Array(problem.x[1] as number)),
  );
  const parts = (residueConvolutions(problem) as ResidueConvolution[]).map((residue) => {
    if (residue === undefined) return undefined;
    const { axes } = residue;
    const operands = [tapsOf(b, backwardWeight.codes, residue, problem), backwardWeight.scale, zeros];
    const attributes = {
      kernel_shape: axes.map(({ taps }) => taps.length),
      dilations: axes.map(({ dilation }) => dilation),
      pads: [...axes.map(({ padBegin }) => padBegin), ...axes.map(({ padEnd }) => padEnd)],
      channels_last: 1,
    };
    const inputs = [dy.codes, dy.scale, dy.zeroPoint, ...operands, scale, zeroPoint];
    return b.op("QLinearConv", inputs, attributes, "com.microsoft");
  });
  return { codes: interleaved(b, parts, problem), scale, zeroPoint };
}

/**
 * The re-quantized backward weight: w with its first two axes swapped, [Ci, Co, ...k], as int8 codes with one scale per Ci.
 * It is made of values that may stay as they are for many steps, so that the trainer can make them constants of its
 * session.
 */
function requantizeWeight(
  b: GradientBuilder,
  weight: { codes: string; scale: string },
  { x, y, kernel }: WindowProblem,
): { codes: string; scale: string } {
  const [inputs, outputs] = [x[1] as number, y[1] as number];
  const ones = kernel.map(() => 1);
  const swapped = b.transpose(steady(b, weight.codes), [1, 0, ...kernel.map((_, axis) => axis + 2)]);
  const scale = b.reshape(steady(b, weight.scale), [1, -1, ...ones]);
  const values = b.mul(b.cast(swapped, "float32"), scale);
  const flat = b.reshape(b.op("Abs", [values]), [1, inputs, outputs * elementCount(kernel)]);
  const largest = b.reshape(b.op("GlobalMaxPool", [flat]), [inputs, 1, ...ones]);
  const step = b.op("Max", [b.mul(largest, b.scalar(1 / 127)), b.scalar(smallestStep)]);
  const codes = b.cast(b.op("Round", [b.div(values, step)]), "int8");
  return { codes, scale: b.reshape(step, [inputs]) };
}

/** Of codes of nothing but zeros. */
export const smallestStep = 1e-30;

/** The name under which weights are re-quantized from a tensor of the state; see training/artifact/backward-weights.ts. */
export const steadyName = (name: string): string => `${name}.steady`;

/** A tensor of the state for what only prepares weights. */
export function steady(b: GradientBuilder, name: string): string {
  const output = steadyName(name);
  const value = b.op("Identity", [name]);
  if (value !== output) b.rename(value, output, b.emitter.graph.nodes.length - 1);
  return output;
}

/** The taps of one residue, in its order. */
function tapsOf(
  b: GradientBuilder,
  weight: string,
  residue: NonNullable<ResidueConvolution>,
  problem: WindowProblem,
) {
  const picks = residue.axes.flatMap(({ taps }, axis) =>
    taps.length === 1 && problem.kernel[axis] === 1 ? [] : [{ axis: axis + 2, taps }],
  );
  return picks.reduce((value, { axis, taps }) => b.op("Gather", [value, b.ints(taps)], { axis }), weight);
}

/** [N, ...ceil(x / stride), C] of every remainder as one [N, ...x, C]. */
function interleaved(
  b: GradientBuilder,
  parts: readonly (string | undefined)[],
  { x, strides }: WindowProblem,
): string {
  const [images = 1, channels = 1, ...inputs] = x;
  const size = inputs.map((count, axis) => Math.ceil(count / (strides[axis] as number)));
  let current = [...parts];
  for (const axis of strides.map((_, index) => index).reverse()) {
    const stride = strides[axis] as number;
    if (stride === 1) continue;
    const shape = [images, ...size, channels];
    const inner = elementCount(size.slice(axis + 1)) * channels;
    const joined = size.map((count, index) => (index === axis ? count * stride : count));
    const rows: (string | undefined)[] = [];
    for (let start = 0; start < current.length; start += stride) {
      const group = current.slice(start, start + stride);
      rows.push(
        group.every((part) => part === undefined)
          ? undefined
          : b.reshape(
              b.op(
                "Concat",
                group.map((part) => sliced(b, part, shape, inner)),
                { axis: 1 },
              ),
              [images, ...joined, channels],
            ),
      );
    }
    current = rows;
    size[axis] = joined[axis] as number;
  }
  const [whole] = current as [string];
  const cut = inputs.map((_, axis) => axis).filter((axis) => size[axis] !== inputs[axis]);
  if (cut.length === 0) return whole;
  const ends = cut.map((axis) => inputs[axis] as number);
  const axes = cut.map((axis) => axis + 1);
  return b.op("Slice", [whole, b.ints(cut.map(() => 0)), b.ints(ends), b.ints(axes)]);
}

/** A part as [slices, elements of a slice], zeros where there is none. */
function sliced(
  b: GradientBuilder,
  part: string | undefined,
  shape: readonly number[],
  inner: number,
): string {
  const flat = [elementCount(shape) / inner, inner];
  if (part !== undefined) return b.reshape(part, flat);
  return b.op("ConstantOfShape", [b.ints(flat)], {
    value: tensorAttribute(tensorOf("uint8", [1], Uint8Array.of(middle))),
  });
}

/** A value's axes with the channels last, and back. */
export const channelsLast = (b: GradientBuilder, value: string, rank: number): string =>
  b.transpose(value, [0, ...Array.from({ length: rank - 2 }, (_, axis) => axis + 2), 1]);
export const channelsFirst = (b: GradientBuilder, value: string, rank: number): string =>
  b.transpose(value, [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, axis) => axis + 1)]);
