import { isolateRuntime } from "../runtime/isolation/isolate.ts";
import type { RunContext } from "./context.ts";

/**
 * The same workflow with ONNX Runtime in a process of its own: a model that crashes or hangs it ends in a UserError, and
 * aborting is heard while it computes.
 */
export const isolated =
  <Options, Result>(workflow: (options: Options, context: RunContext) => Promise<Result>) =>
  (options: Options, context: RunContext): Promise<Result> =>
    isolateRuntime(() => workflow(options, context), context.signal);
