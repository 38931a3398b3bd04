/**
 * Tensor data outside the model file. A file on disk is untrusted: its path must stay in the model's folder, and
 * offset and length must lie within the real file, before anything is allocated.
 */
import { constants } from "node:buffer";
import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync, type Stats } from "node:fs";
import path from "node:path";
import { modelError, type UserError } from "../errors.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import type { Graph, Model } from "../ir/model.ts";
import type { DataType } from "../tensor/data-type.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { decodeError, type Source } from "./wire.ts";

/** A stretch of a file, and what the file looked like when the model was read. */
export interface ExternalRange {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
  readonly identity: string;
}

/** A tensor whose bytes lie in a file and are read when asked for; what nobody holds any more is read again. */
export interface ExternalTensor extends Tensor {
  readonly external: ExternalRange;
}

export const isExternal = (tensor: Tensor): tensor is ExternalTensor => "external" in tensor;

/** Real paths of the files that a model's weights and constants lie in besides its own. */
export function externalFilesOf({ graph }: Model): Set<string> {
  return new Set(tensorsOf(graph).flatMap((tensor) => (isExternal(tensor) ? [tensor.external.path] : [])));
}

function tensorsOf(graph: Graph): Tensor[] {
  const inner = graph.nodes.flatMap((node) => [
    ...[...node.attributes.values()].flatMap((attribute) =>
      attribute.type === "tensor" ? [attribute.value] : [],
    ),
    ...subgraphsOf(node).flatMap(tensorsOf),
  ]);
  return [...graph.initializers.values(), ...inner];
}

export function createExternalTensor(
  dtype: DataType,
  dims: readonly number[],
  external: ExternalRange,
): ExternalTensor {
  let read: WeakRef<Uint8Array> | undefined;
  return {
    dtype,
    dims,
    external,
    get bytes() {
      const held = read?.deref();
      if (held !== undefined) return held;
      const bytes = readRange(external);
      read = new WeakRef(bytes);
      return bytes;
    },
  };
}

const identityOf = (stats: Stats): string => `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}`;

/**
 * Reads the whole range. Throws model/external-data when the file has changed or gone since the model was read, or when
 * JavaScript cannot hold that much in one piece.
 */
function readRange(range: ExternalRange): Uint8Array {
  if (range.length > constants.MAX_LENGTH) {
    throw modelError(
      "external-data",
      `A tensor of ${(range.length / 1e9).toFixed(1)} GB is more than can be held in one piece, ${(constants.MAX_LENGTH / 1e9).toFixed(1)} GB`,
      range.path,
      "Split the weight into smaller ones before exporting.",
    );
  }
  return withRangeFile(range, (descriptor) => {
    const bytes = new Uint8Array(range.length);
    readFully(descriptor, bytes, range);
    return bytes;
  });
}

/** Hands the range over in pieces of at most `pieceSize` bytes; each piece is valid until the next one. */
export function* readPieces(range: ExternalRange, pieceSize: number): Generator<Uint8Array> {
  const descriptor = openRangeFile(range);
  try {
    const buffer = new Uint8Array(Math.min(pieceSize, range.length));
    for (let done = 0; done < range.length; done += buffer.byteLength) {
      const piece = buffer.subarray(0, Math.min(buffer.byteLength, range.length - done));
      readFully(descriptor, piece, { ...range, offset: range.offset + done });
      yield piece;
    }
  } finally {
    closeSync(descriptor);
  }
}

function withRangeFile<T>(range: ExternalRange, read: (descriptor: number) => T): T {
  const descriptor = openRangeFile(range);
  try {
    return read(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function openRangeFile(range: ExternalRange): number {
  let descriptor: number;
  try {
    descriptor = openSync(range.path, "r");
  } catch (cause) {
    throw staleError(range, "can no longer be opened", cause);
  }
  if (identityOf(fstatSync(descriptor)) === range.identity) return descriptor;
  closeSync(descriptor);
  throw staleError(range, "has changed since the model was read");
}

/** One read takes at most 1 GiB; larger ranges take several. */
const readLimit = 2 ** 30;

function readFully(descriptor: number, target: Uint8Array, range: ExternalRange): void {
  for (let done = 0; done < target.byteLength;) {
    const want = Math.min(readLimit, target.byteLength - done);
    const got = readSync(descriptor, target, done, want, range.offset + done);
    if (got === 0) throw staleError(range, "has become shorter since the model was read");
    done += got;
  }
}

function staleError(range: ExternalRange, what: string, cause?: unknown): UserError {
  const hint = "Load the model again, and do not write to its external data while it is in use.";
  return modelError("external-data", `The external data file ${what}`, range.path, hint, cause);
}

/**
 * Checks the external_data entries of a tensor that needs `expected` bytes and says where they lie.
 * Source: onnx.proto, TensorProto.external_data.
 */
export function resolveExternalData(
  entries: ReadonlyMap<string, string>,
  expected: number,
  source: Source,
  place: string,
): ExternalRange {
  const refuse = (what: string, hint: string): UserError =>
    decodeError(source, "external-data", what, place, hint);
  const location = entries.get("location") ?? "";
  const file = locateFile(location, source, refuse);
  const stats = statSync(file);
  if (!stats.isFile())
    throw refuse(`External data "${location}" is not a regular file`, "Point it to a data file.");
  const offset = parseSize(entries.get("offset") ?? "0", "offset", refuse);
  const length = parseSize(entries.get("length") ?? String(expected), "length", refuse);
  if (length !== expected) {
    const what = `External data gives ${length} bytes, but type and shape need ${expected}`;
    throw refuse(what, "The model and its data file do not belong together; export the model again.");
  }
  if (offset + length > stats.size) {
    const what = `External data "${location}" has ${stats.size} bytes, but bytes ${offset} to ${offset + length} are asked for`;
    throw refuse(what, "The data file is truncated or belongs to another model; copy it again.");
  }
  return { path: file, offset, length, identity: identityOf(stats) };
}

type Refuse = (what: string, hint: string) => UserError;

function parseSize(text: string, name: string, refuse: Refuse): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value))
    throw refuse(
      `External data has the ${name} "${text}", which is not a byte count`,
      "Export the model again.",
    );
  return value;
}

/** The real path of an external data file, which must lie in the model's folder, symbolic links followed. */
function locateFile(location: string, source: Source, refuse: Refuse): string {
  if (location === "") throw refuse("External data names no file", "Export the model again.");
  if (source.directory === undefined) {
    const hint = "Load the model from its file with loadModel, or give decodeModel the folder.";
    throw refuse(
      `The tensor lies in the external file "${location}", but the model's folder is not known`,
      hint,
    );
  }
  const outside = `External data "${location}" points outside the model's folder`;
  const hint =
    "Put the data file next to the model and use a relative path without links that leave the folder.";
  const parts = location.split(/[\\/]/);
  const absolute = path.isAbsolute(location) || path.win32.isAbsolute(location) || /^[a-z]:/i.test(location);
  if (absolute || parts.includes("..") || location.includes("\0")) throw refuse(outside, hint);
  const folder = realpathSync(source.directory);
  let file: string;
  try {
    file = realpathSync(path.join(folder, location));
  } catch {
    throw refuse(`External data file "${location}" is missing`, `Copy it to ${source.directory}.`);
  }
  const relative = path.relative(folder, file);
  if (relative.startsWith("..") || path.isAbsolute(relative)) throw refuse(outside, hint);
  return file;
}
