import type { Taps } from "./axis-adjoint.ts";

/** How one axis is resampled. */
export interface AxisScaling {
  from: number;
  to: number;
  /** Positions of y per position of x, as the operator was given it. */
  scale: number;
  /** Start and end of the region of tf_crop_and_resize, as shares of the axis. */
  region: readonly [number, number];
}

export interface ResizeMethod {
  mode: string;
  coordinates: string;
  nearest: string;
  /** The coefficient a of the cubic kernel. */
  cubic: number;
  excludeOutside: boolean;
  antialias: boolean;
}

/** For each position of y along an axis the positions of x that it is made of, as ONNX's specification of Resize has it. */
export function resizeTaps(scaling: AxisScaling, method: ResizeMethod): Taps[] {
  return Array.from({ length: scaling.to }, (_, position) => {
    const at = originalPosition(position, scaling, method.coordinates);
    if (method.coordinates === "tf_crop_and_resize" && (at < 0 || at > scaling.from - 1)) return [];
    if (method.mode === "nearest")
      return [{ index: clamp(nearestTo(at, method.nearest), scaling.from), weight: 1 }];
    const kernel = method.mode === "cubic" ? cubicKernel(method.cubic) : linearKernel;
    const radius = method.mode === "cubic" ? 2 : 1;
    const antialias = method.antialias && scaling.scale < 1;
    return antialias
      ? smoothedTaps(at, scaling, kernel, radius, method.excludeOutside)
      : interpolatedTaps(at, scaling.from, kernel, radius, method.excludeOutside);
  });
}

function originalPosition(x: number, { from, to, scale, region }: AxisScaling, mode: string): number {
  switch (mode) {
    case "align_corners":
      return to === 1 ? 0 : (x * (from - 1)) / (to - 1);
    case "asymmetric":
      return x / scale;
    case "tf_half_pixel_for_nn":
      return (x + 0.5) / scale;
    case "pytorch_half_pixel":
      return to > 1 ? (x + 0.5) / scale - 0.5 : 0;
    case "half_pixel_symmetric":
      return (from / 2) * (1 - to / (scale * from)) + (x + 0.5) / scale - 0.5;
    case "tf_crop_and_resize":
      return to > 1
        ? region[0] * (from - 1) + (x * (region[1] - region[0]) * (from - 1)) / (to - 1)
        : 0.5 * (region[0] + region[1]) * (from - 1);
    default:
      return (x + 0.5) / scale - 0.5;
  }
}

/** Scales are float32: positions that are halves but for rounding stay halves. */
const leeway = 1e-5;

function nearestTo(at: number, mode: string): number {
  const whole = Math.round(at);
  if (Math.abs(at - whole) < leeway) return whole;
  const half = Math.abs(at - Math.floor(at) - 0.5) < leeway;
  switch (mode) {
    case "floor":
      return Math.floor(at);
    case "ceil":
      return Math.ceil(at);
    case "round_prefer_ceil":
      return half ? Math.ceil(at) : Math.round(at);
    default:
      return half ? Math.floor(at) : Math.round(at);
  }
}

const linearKernel = (x: number): number => Math.max(0, 1 - Math.abs(x));

function cubicKernel(a: number): (x: number) => number {
  return (x) => {
    const d = Math.abs(x);
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
  };
}

/** The positions within the kernel's radius; those beyond the edge are the edge, or nothing where they are left out. */
function interpolatedTaps(
  at: number,
  size: number,
  kernel: (x: number) => number,
  radius: number,
  excludeOutside: boolean,
): Taps {
  const low = Math.floor(at);
  const taps = Array.from({ length: 2 * radius }, (_, i) => low - radius + 1 + i)
    .filter((index) => !excludeOutside || (index >= 0 && index < size))
    .map((index) => ({ index: clamp(index, size), weight: kernel(at - index) }));
  return excludeOutside ? normalized(merged(taps)) : merged(taps);
}

/** Shrinking with antialias: the kernel is as wide as what one position of y covers, and its weights sum to 1. */
function smoothedTaps(
  at: number,
  { from, scale }: AxisScaling,
  kernel: (x: number) => number,
  radius: number,
  excludeOutside: boolean,
): Taps {
  const support = radius / scale;
  const taps = [];
  for (let index = Math.floor(at - support + 1); index <= at + support; index++) {
    if (excludeOutside && (index < 0 || index >= from)) continue;
    taps.push({ index: clamp(index, from), weight: kernel((index - at) * scale) });
  }
  return normalized(merged(taps));
}

function normalized(taps: Taps): Taps {
  const sum = taps.reduce((total, { weight }) => total + weight, 0);
  return sum === 0 ? taps : taps.map(({ index, weight }) => ({ index, weight: weight / sum }));
}

/** Taps at the same position as one, those of weight 0 left out. */
function merged(taps: Taps): Taps {
  const weights = new Map<number, number>();
  for (const { index, weight } of taps) weights.set(index, (weights.get(index) ?? 0) + weight);
  return Array.from(weights, ([index, weight]) => ({ index, weight })).filter(({ weight }) => weight !== 0);
}

const clamp = (index: number, size: number): number => Math.min(Math.max(index, 0), size - 1);
