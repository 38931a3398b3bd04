import { InternalError, UserError } from "../errors.ts";
import type { Model } from "../ir/model.ts";
import type { Logger } from "../log.ts";
import { createContext, type Pass, type Refusal } from "./define-pass.ts";

export interface PipelineOptions {
  logger?: Logger | undefined;
  signal?: AbortSignal | undefined;
  /** Collects what passes left alone, with reasons. */
  refusals?: Refusal[];
}

/**
 * Runs passes in order. A UserError goes through as it is, for it names its place in the model; anything else becomes
 * an InternalError that names the pass and the passes run before it. Aborting stops between passes.
 */
export async function runPasses(
  model: Model,
  passes: readonly Pass[],
  options: PipelineOptions = {},
): Promise<Model> {
  const done: string[] = [];
  let current = model;
  for (const pass of passes) {
    options.signal?.throwIfAborted();
    const before = current.graph.nodes.length;
    const next = await runPass(current, pass, done, options);
    if (next !== current)
      options.logger?.debug(`${pass.name}: ${before} nodes -> ${next.graph.nodes.length} nodes`);
    current = next;
    done.push(pass.name);
  }
  return current;
}

async function runPass(
  model: Model,
  pass: Pass,
  done: readonly string[],
  options: PipelineOptions,
): Promise<Model> {
  const reason = pass.precondition?.(model);
  if (reason !== undefined) throw new InternalError(`${locate(pass.name, done)} cannot run: ${reason}`);
  try {
    return await pass.run(model, createContext(pass.name, options.refusals ?? [], options));
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    throw inPass(error, pass.name, done);
  }
}

function inPass(error: unknown, name: string, done: readonly string[]): Error {
  if (error instanceof UserError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new InternalError(`${message}, in ${locate(name, done)}`, { cause: error });
}

function locate(name: string, done: readonly string[]): string {
  return `pass "${name}"${done.length === 0 ? "" : ` (after ${done.join(", ")})`}`;
}
