import { realpath, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { explainWriteError, openPending, type PendingFile } from "../atomic-file.ts";
import { modelError, usageError } from "../errors.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import type { Graph, Model } from "../ir/model.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { encodeParts, partLength, protobufLimit, storedLength, type Part, type Placement } from "./encode.ts";
import { isExternal, readPieces } from "./external-data.ts";

export interface SaveOptions {
  /** Whether weights go into a file of their own: always, never, or (default) only when 2 GB would be exceeded. */
  externalData?: "auto" | "always" | "never";
  /** Name of that file, in the model's folder; default: the model's name with ".data" appended. */
  dataFile?: string;
  /** Initializers of at least this many bytes go there. Default 1024. */
  threshold?: number;
  /** Bytes of weights from which "auto" uses a data file. Default: 64 MiB below protobuf's 2 GiB. */
  singleFileLimit?: number;
}

/** Data in the external file starts at multiples of this, so that it can be mapped into memory. */
const alignment = 4096;
const pieceSize = 2 ** 24;

/**
 * Writes a model. Either all of it is there in the end or what was there before: data goes to temporary files
 * beside the destination, which are renamed when complete. Throws environment/disk-full, environment/write,
 * model/too-large, and usage/overwrites-source when the model still reads from the file that would be replaced.
 */
export async function saveModel(model: Model, file: string, options: SaveOptions = {}): Promise<void> {
  const dataFile = options.dataFile ?? `${path.basename(file)}.data`;
  if (path.basename(dataFile) !== dataFile || dataFile === path.basename(file))
    throw usageError(
      "data-file",
      "The data file must lie beside the model, under another name",
      dataFile,
      "Give a file name.",
    );
  const dataPath = path.join(path.dirname(file), dataFile);
  const placement = planPlacement(model, dataFile, options);
  await refuseOverwritingSource(model, placement.size > 0 ? [file, dataPath] : [file]);
  const parts = encodeParts(model, placement);
  const total = parts.reduce((sum, part) => sum + partLength(part), 0);
  if (total > protobufLimit) {
    const what = `The model file would need ${total} bytes, and an ONNX file holds at most 2 GiB`;
    throw modelError("too-large", what, file, "Save with external data.");
  }
  const pending: PendingFile[] = [];
  try {
    if (placement.size > 0) await writeData(model.graph, placement, await openInto(pending, dataPath));
    await writeParts(parts, await openInto(pending, file));
    for (const each of pending) await each.commit();
  } catch (cause) {
    throw explainWriteError(cause, file);
  } finally {
    for (const each of pending) await each.discard();
  }
}

async function openInto(pending: PendingFile[], file: string): Promise<FileHandle> {
  const opened = await openPending(file);
  pending.push(opened);
  return opened.handle;
}

/** Which initializers go into the data file, and where. */
function planPlacement(model: Model, dataFile: string, options: SaveOptions): Placement {
  const mode = options.externalData ?? "auto";
  const placement = new Map<string, { location: string; offset: number; length: number }>();
  const sizes = [...model.graph.initializers].map(([name, tensor]) => ({
    name,
    tensor,
    length: storedLength(tensor),
  }));
  const total = sizes.reduce((sum, { length }) => sum + length, 0);
  // 64 MiB are left for nodes, types and names.
  const limit = options.singleFileLimit ?? protobufLimit - 2 ** 26;
  if (mode === "never" || (mode === "auto" && total < limit)) return placement;
  let end = 0;
  for (const { name, tensor, length } of sizes) {
    if (tensor.dtype === "string" || length < (options.threshold ?? 1024)) continue;
    const offset = Math.ceil(end / alignment) * alignment;
    placement.set(name, { location: dataFile, offset, length });
    end = offset + length;
  }
  return placement;
}

async function writeData(graph: Graph, placement: Placement, handle: FileHandle): Promise<void> {
  for (const [name, place] of placement) {
    const tensor = graph.initializers.get(name);
    if (tensor === undefined) continue;
    await writePart(isExternal(tensor) ? tensor.external : tensor.bytes, handle, place.offset);
  }
}

async function writeParts(parts: readonly Part[], handle: FileHandle): Promise<void> {
  let at = 0;
  for (const part of parts) at = await writePart(part, handle, at);
}

/** Writes a part at a position, large ones in pieces; returns the position after it. */
async function writePart(part: Part, handle: FileHandle, position: number): Promise<number> {
  let at = position;
  for (const piece of part instanceof Uint8Array ? cut(part) : readPieces(part, pieceSize)) {
    for (let done = 0; done < piece.byteLength;)
      done += (await handle.write(piece, done, piece.byteLength - done, at + done)).bytesWritten;
    at += piece.byteLength;
  }
  return at;
}

function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceSize) yield bytes.subarray(at, at + pieceSize);
}

async function refuseOverwritingSource(model: Model, targets: readonly string[]): Promise<void> {
  const sources = new Set<string>();
  for (const tensor of tensorsOf(model.graph)) if (isExternal(tensor)) sources.add(tensor.external.path);
  if (sources.size === 0) return;
  for (const target of targets) {
    const real = await realpath(target).catch(() => path.resolve(target));
    if (!sources.has(real)) continue;
    const what = "The model still reads its weights from the file that would be overwritten";
    throw usageError("overwrites-source", what, target, "Choose another path for the output.");
  }
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
