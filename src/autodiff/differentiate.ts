import { InternalError, modelError } from "../errors.ts";
import { Emitter } from "../ir/emit.ts";
import { cloneGraph } from "../ir/clone.ts";
import { createValue } from "../ir/graph.ts";
import type { Graph, Node } from "../ir/model.ts";
import { type Algorithms, guessedAlgorithms } from "../lowering/algorithms.ts";
import { lowerQuantizerGradients } from "../lowering/quantizer-grad.ts";
import { lowerGradientNodes } from "../lowering/lower-gradient-nodes.ts";
import { ForwardGraph, type WeightRequest } from "./forward-graph.ts";
import { GradientBuilder } from "../lowering/gradient-builder.ts";
import { GradientPath, nothingReachedError } from "./gradient-path.ts";
import { GradientSums } from "./gradient-sums.ts";
import { nameGradients } from "./name-gradients.ts";
import { NodeContext } from "./node-context.ts";
import type { GradientRule } from "./rule.ts";
import { ruleOf } from "./rules.ts";

export interface DifferentiateOptions {
  /** Name of the scalar float value whose gradients are taken. */
  loss: string;
  /**
   * Values that want a full gradient: biases, scales, zero points (also integer-typed ones), float weights,
   * model inputs. Each gradient has the value's shape; that of an integer zero point is float32.
   */
  parameters: readonly string[];
  /** Quantized weights of which the rows listed in `rows` want a gradient. */
  weights: readonly WeightRequest[];
  /** Opset of the default domain that the emitted nodes must fit. Default 13. */
  opset?: number;
  /** Use operators of the default domain only. Default false: com.microsoft operators of stock builds may appear. */
  portable?: boolean;
  /** Choice between algorithms for the same gradient; default: by estimate. */
  algorithms?: Algorithms;
}

export interface Differentiated {
  /** Forward and backward, stock operators only; the graph's outputs are those of the forward. */
  graph: Graph;
  /**
   * Names of the gradients by name of the parameter, or of the codes of a quantized weight. The latter have shape [R,
   * ...], the weight's shape with the row axis first and its size R. Zeros where the loss does not depend on the
   * parameter.
   */
  gradients: Map<string, string>;
}

/**
 * Extends a forward graph by the gradients of a scalar loss (reverse mode). The graph must have static types for every
 * value and nodes in topological order; it is not changed. Only values on a path from a parameter to the loss get
 * gradients. Where a node has no gradient rule, the gradient ends at that node; other paths are not affected.
 *
 * @throws UserError `unsupported/gradient` naming those nodes when no parameter gets a gradient.
 */
export function differentiate(source: Graph, options: DifferentiateOptions): Differentiated {
  const walk = differentiateAbstract(source, options);
  const { portable = false, algorithms = guessedAlgorithms } = options;
  const quantizers = lowerQuantizerGradients(walk.graph, source);
  return { ...walk, graph: lowerGradientNodes(quantizers, { portable, algorithms }) };
}

/** `differentiate` before lowering: the backward may hold the abstract nodes of ops/gradient-nodes.ts. */
export function differentiateAbstract(
  source: Graph,
  options: DifferentiateOptions,
): Pick<Differentiated, "graph" | "gradients"> {
  const graph = cloneGraph(source);
  const parameters = new Set(options.parameters);
  const forward = new ForwardGraph(source, parameters, options.weights);
  const leaves = new Set([...parameters, ...options.weights.map((weight) => weight.codes)]);
  requireValues(forward, options, leaves);
  const path = new GradientPath(forward, options.loss, leaves, options.opset ?? defaultOpset);
  const stops = path.values.size === 0 ? path.stops() : [];
  if (stops.length > 0) throw nothingReachedError(source, stops);
  const walk = new Walk(graph, forward, path, options);
  walk.run(options.loss);
  const gradients = nameGradients(walk.build, forward, leaves, options.weights, (name) => walk.total(name));
  return { graph, gradients };
}

const defaultOpset = 13;

/** One reverse pass over the nodes. */
class Walk {
  readonly build: GradientBuilder;
  readonly #forward: ForwardGraph;
  readonly #path: GradientPath;
  readonly #options: Pick<DifferentiateOptions, "opset">;
  readonly #sums: GradientSums;

  constructor(
    graph: Graph,
    forward: ForwardGraph,
    path: GradientPath,
    options: Pick<DifferentiateOptions, "opset">,
  ) {
    this.build = new GradientBuilder(new Emitter(graph));
    this.#forward = forward;
    this.#path = path;
    this.#options = options;
    this.#sums = new GradientSums(this.build);
  }

  run(loss: string): void {
    if (!this.#path.values.has(loss)) return;
    const type = this.#forward.require(loss);
    this.#sums.contribute(loss, this.build.scalar(1, type.dtype));
    for (const node of this.#nodesOnPath().reverse()) this.#visit(node);
    this.build.emitter.prefix = "";
    this.build.emitter.provenance = undefined;
  }

  /** The gradient of a value; undefined when the loss does not depend on it. */
  total(name: string): string | undefined {
    return this.#sums.total(name);
  }

  #visit(node: Node): void {
    const dys = node.outputs.map((output) =>
      this.#path.values.has(output) ? this.total(output) : undefined,
    );
    if (dys.every((dy) => dy === undefined)) return;
    this.build.emitter.prefix = `${node.name}/grad`;
    const purpose = node.opType === "DequantizeLinear" ? "quantizer gradients" : "other gradients";
    this.build.emitter.provenance = { node: node.name, purpose };
    this.#recordTypes(node, dys);
    const rule = this.#ruleOf(node);
    const context = this.#contextOf(node);
    const slots = this.#forward.slotsOf(node);
    for (const [slot, gradient] of rule.backward(context, dys).entries()) {
      if (gradient === null || !context.wants(slot)) continue;
      this.#sums.contribute(
        slots[slot] as string,
        this.#reduced(rule, context, slot, gradient),
        context.dotOf(slot),
      );
    }
  }

  /** Sums a broadcast operand's gradient down to the operand's shape. */
  #reduced(rule: GradientRule, context: NodeContext, slot: number, gradient: string): string {
    if (rule.broadcasts !== true) return gradient;
    return this.build.unbroadcast(gradient, context.output().shape, context.input(slot).shape);
  }

  #recordTypes(node: Node, dys: readonly (string | undefined)[]): void {
    const { graph } = this.build.emitter;
    for (const [i, dy] of dys.entries()) {
      const type = this.#forward.typeOf(node.outputs[i] as string);
      if (dy === undefined || type === undefined || graph.initializers.has(dy)) continue;
      graph.valueInfo.set(dy, createValue(dy, type.dtype, type.shape));
    }
  }

  #nodesOnPath(): Node[] {
    return this.#forward.graph.nodes.filter((node) =>
      node.outputs.some((name) => this.#path.values.has(name)),
    );
  }

  #ruleOf(node: Node): GradientRule {
    const rule = ruleOf(node);
    if (rule === undefined) throw new InternalError(`no gradient rule for ${node.opType} "${node.name}"`);
    return rule;
  }

  #contextOf(node: Node): NodeContext {
    const { opset = defaultOpset } = this.#options;
    return new NodeContext(node, this.#forward, this.#sums, this.build, this.#path, opset);
  }
}

function requireValues(
  forward: ForwardGraph,
  options: DifferentiateOptions,
  leaves: ReadonlySet<string>,
): void {
  const loss = forward.typeOf(options.loss);
  if (loss === undefined || loss.shape.some((dim) => dim !== 1)) {
    throw modelError(
      "loss",
      loss === undefined
        ? `The graph has no value "${options.loss}" of known shape to take as the loss`
        : `The loss has shape [${loss.shape.join()}] where one number is needed`,
      options.loss,
      "Name a scalar output of the graph.",
    );
  }
  const missing = [...leaves].filter((name) => forward.dtypeOf(name) === undefined);
  if (missing.length === 0) return;
  throw modelError(
    "parameter",
    `The graph has no value of known type named ${missing.map((name) => `"${name}"`).join(", ")} to differentiate by`,
    `graph "${forward.graph.name}"`,
    "Name inputs, initializers or inner values of the graph.",
  );
}
