import { trainedCount, trainedShape, weightNames } from "../../ir/derived-names.ts";
import type { OptimizerBuilder } from "./ports.ts";

/** What the optimizer must know of a quantized weight. */
export interface TrainedWeight {
  name: string;
  shape: readonly number[];
  axis: number;
  qmin: number;
  qmax: number;
}

/** Shape in which one number per row broadcasts against [R, ...rest]. */
export const perRow = (weight: TrainedWeight): number[] => [-1, ...weight.shape.slice(1).map(() => 1)];

/**
 * Straight-through estimator of the trained rows
 *   m = [s qmin <= w <= s qmax];  dw = m * dW
 *   ds_c = W.scale.grad_c - <dw_c, w_c> / s_c        on trained rows; as it stands on frozen ones
 */
export function passThrough(
  builder: OptimizerBuilder,
  weight: TrainedWeight,
): { latent: string; gradient: string; scaleGradient: string } {
  const { emit } = builder;
  const names = weightNames(weight.name);
  const rowCount = weight.shape[weight.axis] as number;
  const rowsDims = trainedShape(weight);
  const rows = builder.state(names.rows, [trainedCount(weight)], "int64");
  const scale = builder.state(names.scale, [rowCount]);
  const latent = builder.state(names.latent, rowsDims);
  const raw = builder.gradient(names.grad, rowsDims);
  const scaleRaw = builder.gradient(names.scaleGrad, [rowCount]);

  const trainedScale = emit.op("Gather", [scale, rows], { axis: 0 });
  const column = emit.op("Reshape", [trainedScale, builder.integers(perRow(weight))]);
  const low = emit.op("Mul", [column, builder.number(weight.qmin)]);
  const high = emit.op("Mul", [column, builder.number(weight.qmax)]);
  const inside = emit.op("Equal", [latent, emit.op("Min", [emit.op("Max", [latent, low]), high])]);
  const gradient = emit.op("Mul", [raw, emit.op("Cast", [inside], { to: 1 })]);
  const axes = builder.integers(weight.shape.slice(1).map((_, index) => index + 1));
  const product = emit.op("Mul", [gradient, latent]);
  const inner = weight.shape.length > 1 ? emit.op("ReduceSum", [product, axes], { keepdims: 0 }) : product;
  const completed = emit.op("Sub", [
    emit.op("Gather", [scaleRaw, rows], { axis: 0 }),
    emit.op("Div", [inner, trainedScale]),
  ]);
  const scaleGradient = emit.op("ScatterElements", [scaleRaw, rows, completed], { axis: 0 });
  return { latent, gradient, scaleGradient };
}

/** codes = clip(round_half_even(w / s), qmin, qmax) of the trained rows, with the new latents and scales. */
export function requantize(
  builder: OptimizerBuilder,
  weight: TrainedWeight,
  latent: string,
  scale: string,
): void {
  const { emit } = builder;
  const names = weightNames(weight.name);
  const trainedScale = emit.op("Gather", [scale, names.rows], { axis: 0 });
  const column = emit.op("Reshape", [trainedScale, builder.integers(perRow(weight))]);
  const rounded = emit.op("Round", [emit.op("Div", [latent, column])]);
  const clipped = emit.op("Clip", [rounded, builder.number(weight.qmin), builder.number(weight.qmax)]);
  const codes = emit.op("Cast", [clipped], { to: 3 });
  builder.update(codes, names.codes, trainedShape(weight), {
    type: "int8",
    rows: names.rows,
    axis: weight.axis,
  });
}
