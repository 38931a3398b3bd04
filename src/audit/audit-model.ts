import { UserError } from "../errors.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import { shapeOf } from "../ir/value-types.ts";
import type { InputShapes } from "../passes/bind-inputs.ts";
import { verifySource } from "../passes/check-source.ts";
import { extractConstants } from "../passes/extract-constants.ts";
import { inferTypes } from "../passes/infer-types.ts";
import { inlineFunctions } from "../passes/inline-functions/inline-functions.ts";
import { inlineIfs } from "../passes/inline-ifs.ts";
import { nameNodes } from "../passes/name-nodes.ts";
import { type PipelineOptions, runPasses } from "../passes/pipeline.ts";
import { withTypes } from "../passes/record-types.ts";
import { setInputShapes } from "../passes/set-input-shapes.ts";
import { named } from "../quantization/targets/quantized-view.ts";
import type { Target } from "../quantization/targets/target.ts";
import { originOf } from "../runtime/kernel-names.ts";
import { readOptimized } from "../runtime/read-optimized.ts";
import type { RuntimeOptions } from "../runtime/session.ts";
import { auditGraphs, type KernelAudit } from "./audit-graphs.ts";
import { type BodyModel, bodyModels, closeBody } from "./body-models.ts";
import { mergeAudits } from "./merge-audits.ts";

export interface AuditOptions extends RuntimeOptions, PipelineOptions {
  target: Target;
  inputShapes?: InputShapes | undefined;
  /** Reasons that are known beforehand, by node. */
  reasons?: ReadonlyMap<string, string> | undefined;
}

export interface ModelAudit extends KernelAudit {
  /** What could not be found out, and how parts are counted. */
  notes: string[];
}

/**
 * Loads a model in ONNX Runtime with all optimizations, reads the optimized graph back, and tells which nodes run on
 * integer kernels on this machine, how much of the work that is, and why the others do not; nodes in the bodies of If, Loop
 * and Scan, too. For targets of other runtimes nodes are judged by structure.
 */
export async function auditModel(model: Model, options: AuditOptions): Promise<ModelAudit> {
  const { inputShapes, reasons } = options;
  const shaped = inputShapes === undefined ? [] : [setInputShapes({ shapes: inputShapes })];
  const passes = [
    verifySource,
    nameNodes,
    inlineFunctions,
    ...shaped,
    extractConstants,
    inlineIfs,
    nameNodes,
  ];
  const source = await runPasses(model, passes, options);
  const notes = new Set<string>();
  const optimized = await optimize(source, options);
  const audit = await auditScope({ source, optimized, reasons }, options, notes);
  const holders = source.graph.nodes.filter((node) => subgraphsOf(node).length > 0);
  if (holders.length > 0) notes.add(countNote(holders));
  return { ...audit, notes: [...notes] };
}

/** A graph with what surrounds it, as a model of its own. */
interface Scope {
  source: Model;
  optimized: Graph | undefined;
  reasons?: AuditOptions["reasons"];
  given?: string;
}

/** Audits a graph, and the subgraphs of its nodes. */
async function auditScope(scope: Scope, options: AuditOptions, notes: Set<string>): Promise<KernelAudit> {
  options.signal?.throwIfAborted();
  const source = await typesOf(scope, notes);
  const whole = auditGraphs({ ...scope, source, target: options.target });
  const bodies: KernelAudit[] = [];
  for (const body of bodyModels(source)) {
    const found = await auditBody(body, scope.optimized, options, notes);
    if (found !== undefined) bodies.push(found);
  }
  return bodies.length === 0 ? whole : mergeAudits(whole, bodies);
}

/** Audits the body of a node; undefined, with a note, where ONNX Runtime cannot tell about it. */
async function auditBody(
  body: BodyModel,
  outer: Graph | undefined,
  options: AuditOptions,
  notes: Set<string>,
): Promise<KernelAudit | undefined> {
  const where = `the body of ${named(body.node)}`;
  try {
    const source = await runPasses(body.model, [extractConstants, inlineIfs, nameNodes], options);
    const optimized = optimizedBody(body, outer) ?? (await optimize(source, options));
    return await auditScope({ source, optimized, given: `what ${where} is given` }, options, notes);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    notes.add(`What stands in ${where} is not counted: ${error.toParagraph()}`);
    return undefined;
  }
}

/** What ONNX Runtime makes of a model; undefined for targets that it does not run. */
async function optimize(
  model: Model,
  { target, provider, threads }: AuditOptions,
): Promise<Graph | undefined> {
  return target.audited ? (await readOptimized(model, { provider, threads })).graph : undefined;
}

/** What became of a body where ONNX Runtime kept the node that holds it. */
function optimizedBody({ node, attribute }: BodyModel, outer: Graph | undefined): Graph | undefined {
  const holder = outer?.nodes.find(
    ({ name, opType }) => opType === node.opType && (name === node.name || originOf(name) === node.name),
  );
  const body = holder?.attributes.get(attribute);
  return body?.type === "graph" ? closeBody(body.value, holder as Node, outer as Graph) : undefined;
}

/** The model with what can be found of the types of its values. */
async function typesOf({ source, given }: Scope, notes: Set<string>): Promise<Model> {
  if (isTyped(source)) return source;
  try {
    return withTypes(source, await inferTypes(source));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const missing = "known only where the file declares them, so that multiply-accumulates are missing";
    notes.add(
      given === undefined
        ? `Shapes are ${missing} elsewhere: ${error.toParagraph()}`
        : `Shapes in some bodies of If, Loop and Scan are ${missing} there.`,
    );
    return source;
  }
}

/** Whether the file declares the type and rank of every value. */
const isTyped = ({ graph }: Model): boolean =>
  graph.nodes.every(({ outputs }) =>
    outputs.every((name) => name === "" || shapeOf(graph, name) !== undefined),
  );

const countNote = (holders: readonly Node[]): string =>
  `The work inside ${holders.slice(0, 3).map(named).join(", ")}${holders.length > 3 ? ` and ${holders.length - 3} more` : ""} is counted as one trip of each body, and all branches.`;
