import { silentLogger, type Logger } from "../log.ts";
import type { Model, Node } from "../ir/model.ts";

/** A place where a pass could have acted and did not, and why. */
export interface Refusal {
  pass: string;
  /** Name of the node that stays as it is. */
  node: string;
  op: string;
  reason: string;
}

/** What a pass is given besides the model. */
export interface PassContext {
  readonly logger: Logger;
  readonly signal: AbortSignal | undefined;
  /** Records that `node` stays as it is. */
  refuse(node: Node, reason: string): void;
}

/**
 * A pass takes a model and returns one that computes the same. It never changes the model it is given; it
 * returns that very object when it has nothing to do.
 */
export interface Pass {
  readonly name: string;
  /** Why the pass cannot run on this model, or undefined when it can. */
  readonly precondition?: (model: Model) => string | undefined;
  readonly run: (model: Model, context: PassContext) => Model | Promise<Model>;
}

export function definePass(pass: Pass): Pass {
  return pass;
}

/** A context for `pass` whose refusals go to `refusals` and, one line each, to the logger's debug channel. */
export function createContext(
  pass: string,
  refusals: Refusal[],
  options: { logger?: Logger | undefined; signal?: AbortSignal | undefined } = {},
): PassContext {
  const logger = options.logger ?? silentLogger;
  return {
    logger,
    signal: options.signal,
    refuse(node, reason) {
      refusals.push({ pass, node: node.name, op: node.opType, reason });
      logger.debug(`${pass}: ${node.opType} "${node.name}" stays: ${reason}`);
    },
  };
}
