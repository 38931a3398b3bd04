import { join } from "node:path";
import type { Model } from "../ir/model.ts";
import { encodeModel, saveModel, weightsLimit } from "../onnx/index.ts";
import { byteLength } from "../tensor/data-type.ts";
import { elementCount } from "../tensor/tensor.ts";
import { withTemporaryDirectory } from "./temporary-directory.ts";
import { dataLimits } from "./data-limits.ts";
import { Session, type SessionOptions } from "./session.ts";

/** Whether a model and its weights can be one protobuf message. */
export const fitsOneMessage = (model: Model): boolean => weightBytes(model) < weightsLimit;

/** Bytes of weights from which a model goes to the runtime as a file: it maps weights that lie beside one, and copies others. */
const mappedBytes = 2 ** 27;

/** Whether a model's weights are so large that it goes to the runtime as a file. */
export const isMapped = (model: Model): boolean => weightBytes(model) >= mappedBytes;

/** Writes a model into a folder, for a session to be opened on: a graph, and its weights beside it. */
export async function writeMapped(model: Model, directory: string): Promise<string> {
  const path = join(directory, "model.onnx");
  await saveModel(model, path, { externalData: "always" });
  return path;
}

/** What a session can be made of: a graph, encoded bytes, or the path of a file. */
export type ModelSource = Model | Uint8Array | string;

/** Opens a session, hands it to `work`, and releases it however `work` ends. */
export async function withSession<T>(
  model: ModelSource,
  options: SessionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(model, options);
  try {
    return await work(session);
  } finally {
    await session.release();
  }
}

/** The same with a session on each of several models. */
export async function withSessions<T>(
  models: readonly ModelSource[],
  options: SessionOptions,
  work: (sessions: readonly Session[]) => Promise<T>,
): Promise<T> {
  const sessions: Session[] = [];
  try {
    for (const model of models) sessions.push(await openSession(model, options));
    return await work(sessions);
  } finally {
    for (const session of sessions) await session.release();
  }
}

/**
 * Opens a session on a graph, bytes or a file. A graph of large weights goes through a temporary file with external data,
 * removed once it is loaded. Release the session.
 */
export async function openSession(model: ModelSource, options: SessionOptions = {}): Promise<Session> {
  if (typeof model === "string" || model instanceof Uint8Array) return Session.create(model, options);
  const limited = { ...options, limits: options.limits ?? dataLimits(model) };
  if (!isMapped(model)) return Session.create(encodeModel(model), limited);
  return withTemporaryDirectory(async (directory) =>
    Session.create(await writeMapped(model, directory), limited),
  );
}

/** Bytes of a model's initializers, wherever they lie. */
export function weightBytes(model: Model): number {
  let total = 0;
  for (const { dtype, dims, strings } of model.graph.initializers.values())
    total +=
      strings === undefined
        ? byteLength(dtype, elementCount(dims))
        : strings.reduce((sum, text) => sum + text.byteLength, 0);
  return total;
}
