import { dataError, type UserError } from "../../errors.ts";
import type { DataType } from "../../tensor/data-type.ts";

/** What the header of an .npy array says. */
export interface NpyHeader {
  dtype: DataType;
  dims: number[];
}

const types: Readonly<Record<string, DataType>> = {
  f2: "float16",
  f4: "float32",
  f8: "float64",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  b1: "bool",
};

/** One entry of the header, a Python dictionary of exactly three: 'descr', 'fortran_order' and 'shape'. */
const entry =
  /\s*'(descr|fortran_order|shape)'\s*:\s*('[^']*'|True|False|\((?:\s*\d+L?\s*,)*(?:\s*\d+L?\s*)?\)|\[.*\])\s*(?:,|(?=\}))/y;

/** Reads a header as strictly as NumPy does. Throws UserError data/npy. */
export function parseNpyHeader(text: string, where: string): NpyHeader {
  const fields = readEntries(text, where);
  const shape = fields.get("shape") as string;
  if (!shape.startsWith("(") || /^\(\s*\d+L?\s*\)$/.test(shape)) throw malformed(text, where);
  const dims = (shape.match(/\d+/g) ?? []).map(Number);
  if (!Number.isSafeInteger(dims.reduce((product, dim) => product * Math.max(dim, 1), 1)))
    throw badNpy(`Its shape ${shape} is beyond all files`, where);
  const dtype = readType(fields.get("descr") as string, where);
  const order = fields.get("fortran_order") as string;
  if (order !== "True" && order !== "False") throw malformed(text, where);
  if (order === "True" && dims.length > 1)
    throw badNpy(
      "The array is stored in Fortran order",
      where,
      "Write it with numpy.save(path, numpy.ascontiguousarray(array)).",
    );
  return { dtype, dims };
}

function readEntries(text: string, where: string): Map<string, string> {
  const fields = new Map<string, string>();
  let at = text.startsWith("{") ? 1 : text.length;
  for (;;) {
    entry.lastIndex = at;
    const [all = "", name = "", value = ""] = entry.exec(text) ?? [];
    if (all === "" || fields.has(name)) break;
    fields.set(name, value);
    at += all.length;
  }
  if (fields.size === 3 && /^\s*\}\s*$/.test(text.slice(at))) return fields;
  throw malformed(text, where);
}

function readType(descr: string, where: string): DataType {
  const [, order, code = ""] = /^'([<>|=])([a-zA-Z]\d*)'$/.exec(descr) ?? [];
  const dtype = types[code];
  if (dtype !== undefined && (order !== ">" || code.endsWith("1"))) return dtype;
  const [what, hint] = refusedType(descr, order, code);
  throw badNpy(what, where, hint);
}

function refusedType(descr: string, order: string | undefined, code: string): [what: string, hint: string] {
  const numbers = "Write numbers: numpy.save(path, array.astype(numpy.float32)).";
  if (types[code] !== undefined && order === ">")
    return [
      "Its elements are big-endian",
      "Write it with numpy.save(path, array.astype(array.dtype.newbyteorder('<'))).",
    ];
  if (descr.startsWith("[")) return ["It is a structured array with named fields", numbers];
  if (code.startsWith("O")) return ["It holds pickled Python objects, which are never loaded", numbers];
  if (/^[US]/i.test(code)) return ["It holds text", numbers];
  return [`Elements of type ${descr} are not read`, numbers];
}

const malformed = (text: string, where: string): UserError =>
  badNpy(`Its header is malformed: ${text.trim().slice(0, 200)}`, where);

export function badNpy(
  what: string,
  where: string,
  hint = "Write it with numpy.save or numpy.savez.",
): UserError {
  return dataError("npy", `The .npy array cannot be read. ${what}`, where, hint);
}
