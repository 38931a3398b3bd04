import { UserError } from "../errors.ts";
import type { Model } from "../ir/model.ts";
import { shapeOf } from "../ir/value-types.ts";
import type { InputShapes } from "../passes/bind-inputs.ts";
import { verifySource } from "../passes/check-source.ts";
import { extractConstants } from "../passes/extract-constants.ts";
import { inferTypes } from "../passes/infer-types.ts";
import { inlineFunctions } from "../passes/inline-functions/inline-functions.ts";
import { nameNodes } from "../passes/name-nodes.ts";
import { type PipelineOptions, runPasses } from "../passes/pipeline.ts";
import { withTypes } from "../passes/record-types.ts";
import { setInputShapes } from "../passes/set-input-shapes.ts";
import type { Target } from "../quantization/targets/target.ts";
import { readOptimized } from "../runtime/read-optimized.ts";
import type { RuntimeOptions } from "../runtime/session.ts";
import { auditGraphs, type KernelAudit } from "./audit-graphs.ts";

export interface AuditOptions extends RuntimeOptions, PipelineOptions {
  target: Target;
  inputShapes?: InputShapes | undefined;
  /** Reasons that are known beforehand, by node. */
  reasons?: ReadonlyMap<string, string> | undefined;
}

export interface ModelAudit extends KernelAudit {
  /** What could not be found out. */
  notes: string[];
}

/**
 * Loads a model in ONNX Runtime with all optimizations, reads the optimized graph back, and tells which nodes run on
 * integer kernels on this machine, how much of the work that is, and why the others do not. For targets of other runtimes
 * nodes are judged by structure.
 */
export async function auditModel(model: Model, options: AuditOptions): Promise<ModelAudit> {
  const { target, provider, threads, inputShapes, reasons } = options;
  const shaped = inputShapes === undefined ? [] : [setInputShapes({ shapes: inputShapes })];
  const passes = [verifySource, nameNodes, inlineFunctions, ...shaped, extractConstants];
  const source = await runPasses(model, passes, options);
  const optimized = target.audited ? await readOptimized(source, { provider, threads }) : undefined;
  const notes: string[] = [];
  const typed = await typesOf(source, notes);
  const audit = auditGraphs({ source: typed, optimized, target, reasons });
  return { ...audit, notes: [...notes, ...subgraphNotes(typed)] };
}

/** The model with what can be found of the types of its values. */
async function typesOf(model: Model, notes: string[]): Promise<Model> {
  if (isTyped(model)) return model;
  try {
    return withTypes(model, await inferTypes(model));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    notes.push(
      `Shapes are known only where the file declares them, so that multiply-accumulates are missing elsewhere: ${error.toParagraph()}`,
    );
    return model;
  }
}

/** Whether the file declares the type and rank of every value. */
const isTyped = ({ graph }: Model): boolean =>
  graph.nodes.every(({ outputs }) =>
    outputs.every((name) => name === "" || shapeOf(graph, name) !== undefined),
  );

function subgraphNotes({ graph }: Model): string[] {
  const count = graph.nodes.filter((node) =>
    [...node.attributes.values()].some(({ type }) => type === "graph" || type === "graphs"),
  ).length;
  return count === 0
    ? []
    : [
        `What stands inside the subgraphs of ${count} node${count === 1 ? "" : "s"} (If, Loop, Scan) is not counted.`,
      ];
}
