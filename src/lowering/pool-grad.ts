import { windowProblemOf, type WindowProblem } from "../ops/gradient-nodes.ts";
import { extent, zerosBehind } from "../ops/window.ts";
import { typeOf } from "../ir/value-types.ts";
import { elementCount } from "../tensor/tensor.ts";
import type { GradientBuilder } from "./gradient-builder.ts";
import { inputOf, type Lowering } from "./lowering.ts";
import { positions, sliceSpatial } from "./spatial.ts";
import { transposedWindow } from "./transposed-window.ts";

/**
 * dx of MaxPool: dy goes to each window's first maximum. The places come from MaxPool's Indices, computed
 * again here so that the forward keeps its fast kernel, from x's codes where it has some: they are ordered as their
 * values, and a byte each takes half the time. MaxUnpool writes without adding, so overlapping
 * windows are taken in classes whose windows do not overlap, and the classes' results are summed.
 */
export const lowerMaxPoolGrad: Lowering = (b, node) => {
  const problem = windowProblemOf(node);
  const [x, dy] = [codesBehind(b, inputOf(node, 0)), inputOf(node, 2)];
  const [, indices] = b.emitter.node("MaxPool", [x], { attributes: poolAttributes(problem), outputCount: 2 });
  const spatial = problem.y.slice(2);
  const apart = problem.strides.map((stride, axis) => Math.ceil(extent(problem, axis) / stride));
  const classes = positions(apart.map((count, axis) => Math.min(count, spatial[axis] as number)));
  const parts = classes.map((starts) => {
    const counts = spatial.map((size, axis) =>
      Math.ceil((size - (starts[axis] as number)) / (apart[axis] as number)),
    );
    const pick = (value: string): string => sliceSpatial(b, value, spatial, starts, counts, apart);
    return unpool(b, pick(dy), pick(indices as string), problem);
  });
  return parts.reduce((left, right) => b.add(left, right));
};

/** The codes of 8 bits that a value is dequantized from with one positive scale; the value itself where there are none. */
function codesBehind(b: GradientBuilder, value: string): string {
  const { graph } = b.emitter;
  const producer = graph.nodes.find(({ outputs }) => outputs[0] === value);
  if (producer?.opType !== "DequantizeLinear") return value;
  const [codes = "", scale = ""] = producer.inputs;
  const [codeType, scaleType] = [typeOf(graph, codes), typeOf(graph, scale)];
  const bytes = codeType?.kind === "tensor" && (codeType.dtype === "uint8" || codeType.dtype === "int8");
  const single = scaleType?.kind === "tensor" && scaleType.shape?.every((dim) => dim === 1) === true;
  return bytes && single ? codes : value;
}

/** Values at the given places of x's shape, zeros elsewhere. */
function unpool(b: GradientBuilder, values: string, indices: string, problem: WindowProblem): string {
  const attributes = { kernel_shape: problem.kernel.map(() => 1), strides: problem.kernel.map(() => 1) };
  return b.op("MaxUnpool", [values, indices, b.ints(problem.x)], attributes);
}

function poolAttributes(problem: WindowProblem): Record<string, readonly number[] | number> {
  return {
    kernel_shape: problem.kernel,
    strides: problem.strides,
    dilations: problem.dilations,
    pads: [...problem.padBegin, ...zerosBehind(problem)],
  };
}

/**
 * dx of AveragePool from dy already divided by the counts: each window spreads its share. Windows that tile x
 * are an Expand; others a ConvTranspose with a kernel of ones, channels taken as images.
 */
export const lowerAveragePoolGrad: Lowering = (b, node) => {
  const problem = windowProblemOf(node);
  const dy = inputOf(node, 0);
  if (tiles(problem)) return repeated(b, dy, problem);
  const window = transposedWindow(problem);
  const [images = 1, channels = 1, ...outputs] = problem.y;
  const flat = b.reshape(dy, [images * channels, 1, ...outputs]);
  const ones = b.filled(1, [1, 1, ...problem.kernel]);
  const spread = b.op("ConvTranspose", [flat, ones], {
    pads: window.pads,
    output_padding: window.outputPadding,
    strides: problem.strides,
    dilations: problem.dilations,
    kernel_shape: problem.kernel,
  });
  return b.reshape(spread, problem.x);
};

function tiles(problem: WindowProblem): boolean {
  return (
    elementCount(problem.dilations) === 1 &&
    [...problem.padBegin].every((pad) => pad === 0) &&
    problem.kernel.every(
      (size, axis) =>
        size === problem.strides[axis] && (problem.y[axis + 2] as number) * size === problem.x[axis + 2],
    )
  );
}

function repeated(b: GradientBuilder, dy: string, problem: WindowProblem): string {
  const [images = 1, channels = 1, ...outputs] = problem.y;
  const apart = [images, channels, ...outputs.flatMap((size) => [size, 1])];
  const full = [images, channels, ...outputs.flatMap((size, axis) => [size, problem.kernel[axis] as number])];
  return b.reshape(b.op("Expand", [b.reshape(dy, apart), b.ints(full)]), problem.x);
}
