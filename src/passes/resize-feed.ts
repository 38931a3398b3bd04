import { byteLength } from "../tensor/data-type.ts";
import { elementCount, type Tensor, tensorOfBytes } from "../tensor/tensor.ts";

/**
 * A tensor of the shape `dims` whose elements are those of `source`, repeated or cut along every axis; zeros where it
 * has none. The ranks must be equal. Strings are returned as they are.
 */
export function resizeFeed(source: Tensor, dims: readonly number[]): Tensor {
  if (source.strings !== undefined || source.dims.every((dim, axis) => dim === dims[axis])) return source;
  const count = elementCount(dims);
  const bytes = new Uint8Array(byteLength(source.dtype, count));
  if (count > 0 && source.bytes.byteLength > 0) {
    const element = source.bytes.byteLength / elementCount(source.dims);
    copyAxis(source.bytes, source.dims, bytes, dims, element);
  }
  return tensorOfBytes(source.dtype, dims, bytes);
}

function copyAxis(
  source: Uint8Array,
  [from = 1, ...inner]: readonly number[],
  target: Uint8Array,
  [to = 1, ...wanted]: readonly number[],
  element: number,
): void {
  const [stride, step] = [elementCount(inner) * element, elementCount(wanted) * element];
  const same = inner.every((dim, axis) => dim === wanted[axis]);
  for (let index = 0; index < to; index++) {
    const start = (index % from) * stride;
    const part = source.subarray(start, start + stride);
    const place = target.subarray(index * step, (index + 1) * step);
    if (same) place.set(part);
    else copyAxis(part, inner, place, wanted, element);
  }
}
