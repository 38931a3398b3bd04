import { createHash } from "node:crypto";
import type { DataType } from "../tensor/data-type.ts";
import { createElementReader, elementsOf } from "../tensor/elements.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";
import type { Dim, SparseTensor, ValueType } from "./model.ts";

/** Tensors of at most this many elements are printed whole. */
const wholeLimit = 8;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** `float32[N, 3, ?]`, `float32[...]` where the rank is unknown, `sequence(int64[])`. */
export function printType(type: ValueType | undefined): string {
  if (type === undefined) return "?";
  const denotation = "denotation" in type && type.denotation ? ` as ${printText(type.denotation)}` : "";
  switch (type.kind) {
    case "tensor":
      return `${type.dtype}${printShape(type.shape)}${denotation}`;
    case "sparse":
      return `sparse ${type.dtype}${printShape(type.shape)}${denotation}`;
    case "map":
      return `map(${type.key ?? "?"}, ${printType(type.element)})${denotation}`;
    case "opaque":
      return `opaque(${printText(type.domain)}, ${printText(type.name)})${denotation}`;
    case "untyped":
      return "untyped";
    default:
      return `${type.kind}(${printType(type.element)})${denotation}`;
  }
}

export function printShape(shape: readonly Dim[] | undefined): string {
  return shape === undefined ? "[...]" : `[${shape.map((dim) => dim ?? "?").join(", ")}]`;
}

/** A name as it is, or quoted where it would be hard to tell from the text around it. */
export function printName(name: string): string {
  return /^[\w./:@%#$~+-]+$/u.test(name) ? name : JSON.stringify(name);
}

export function printText(text: string): string {
  return JSON.stringify(text);
}

/** Quoted text; of a long one the beginning and a digest of the whole. */
export function printLongText(text: string): string {
  return text.length <= 100
    ? printText(text)
    : `${printText(text.slice(0, 60))}... ${digest(Buffer.from(text))}`;
}

/** Bytes that are UTF-8 as quoted text, other bytes in hexadecimal. */
export function printBytes(bytes: Uint8Array): string {
  try {
    return printText(utf8.decode(bytes));
  } catch {
    return `hex"${Buffer.from(bytes).toString("hex")}"`;
  }
}

/** The shortest decimal that is the same float32; always with a point or an exponent, unlike integers. */
export function printFloat(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Object.is(value, -0)) return "-0.0";
  const single = Math.fround(value);
  for (let digits = 1; digits < 10; digits++) {
    const text = String(Number(single.toPrecision(digits)));
    if (Math.fround(Number(text)) === single) return withPoint(text);
  }
  return withPoint(String(single));
}

const withPoint = (text: string): string => (/[.e]/.test(text) ? text : `${text}.0`);

const isFloating = (tensor: Tensor): boolean => /float|complex/.test(tensor.dtype);

/** Type, shape and value of a constant: all elements when few, else range, mean and a digest of the bytes. */
export function printTensor(tensor: Tensor): string {
  const type = `${tensor.dtype}${printShape(tensor.dims)}`;
  const count = elementCount(tensor.dims);
  if (tensor.dtype === "string") return `${type} = ${printStrings(tensor)}`;
  if (count === 0) return `${type} = empty`;
  if (count > wholeLimit) return `${type} = ${summarize(tensor, count)}`;
  const values = elementsOf(tensor).map((value) => printElement(tensor.dtype, value));
  const complex = tensor.dtype.startsWith("complex") ? ` ${digest(tensor.bytes)}` : "";
  return `${type} = ${tensor.dims.length === 0 ? (values[0] ?? "") : `{${values.join(", ")}}`}${complex}`;
}

function printElement(dtype: DataType, value: number): string {
  if (dtype === "float64" || dtype === "complex128") return withPoint(String(value));
  return /float|complex/.test(dtype) ? printFloat(value) : String(value);
}

function printStrings(tensor: Tensor): string {
  const strings = tensor.strings ?? [];
  if (strings.length <= wholeLimit) return `{${strings.map(printBytes).join(", ")}}`;
  const bytes = Buffer.concat(strings.flatMap((string) => [string, Uint8Array.of(0)]));
  return `{${strings.length} strings} ${digest(bytes)}`;
}

function summarize(tensor: Tensor, count: number): string {
  const read = createElementReader(tensor);
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const value = read(i);
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
  }
  const short = (value: number): string => String(Number(value.toPrecision(4)));
  const mean = isFloating(tensor) ? ` mean ${short(sum / count)}` : "";
  return `{${short(min)} .. ${short(max)}${mean}} ${digest(tensor.bytes)}`;
}

/** The beginning of the SHA-256 of bytes. */
export function digest(bytes: Uint8Array): string {
  return `#${createHash("sha256").update(bytes).digest("hex").slice(0, 8)}`;
}

export function printSparseTensor(tensor: SparseTensor): string {
  const parts = `values ${printTensor(tensor.values)}, indices ${printTensor(tensor.indices)}`;
  return `sparse${printShape(tensor.dims)} (${parts})`;
}
