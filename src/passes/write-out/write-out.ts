import { cloneModel } from "../../ir/clone.ts";
import { Emitter } from "../../ir/emit.ts";
import type { Model, Node } from "../../ir/model.ts";
import { definePass, type PassContext } from "../define-pass.ts";
import { raiseOpset } from "../raise-opset/raise-opset.ts";
import { attention, fusedAttention, multiHeadAttention, rotaryEmbedding } from "./attention.ts";
import { Composite, NotWritten, type WriteOutRule, type WrittenOut } from "./composite.ts";
import { biasAdd, biasGelu, fastGelu, fusedConv, fusedGemm, fusedMatMul, quickGelu } from "./fused.ts";
import {
  embedLayerNormalization,
  simplifiedLayerNormalization,
  skipLayerNormalization,
  skipSimplifiedLayerNormalization,
} from "./norms.ts";

/** Operators that are written out, by domain. */
const rules: Readonly<Record<string, Readonly<Record<string, WriteOutRule>>>> = {
  "": {
    Attention: attention,
    RotaryEmbedding: rotaryEmbedding,
    SimplifiedLayerNormalization: simplifiedLayerNormalization,
  },
  "com.microsoft": {
    Attention: fusedAttention,
    BiasAdd: biasAdd,
    BiasGelu: biasGelu,
    EmbedLayerNormalization: embedLayerNormalization,
    FastGelu: fastGelu,
    FusedConv: fusedConv,
    FusedGemm: fusedGemm,
    FusedMatMul: fusedMatMul,
    Gelu: biasGelu,
    MultiHeadAttention: multiHeadAttention,
    QuickGelu: quickGelu,
    SimplifiedLayerNormalization: simplifiedLayerNormalization,
    SkipLayerNormalization: skipLayerNormalization,
    SkipSimplifiedLayerNormalization: skipSimplifiedLayerNormalization,
  },
};

/** Least opset of the default domain that has LayerNormalization. */
const leastOpset = 17;

/**
 * Writes out what optimizers fused and what ONNX itself has as one operator (attention, rotary embeddings) in the
 * operators that it is made of, so that the products in it are quantized and gradients flow through. Needs recorded types.
 */
export const writeOut = definePass({
  name: "write-out",
  async run(model, context) {
    if (!model.graph.nodes.some((node) => ruleFor(node) !== undefined)) return model;
    const raised = await raiseOpset(leastOpset).run(model, context);
    const result = cloneModel(raised);
    const count = writeOutGraph(result, context);
    return count === 0 ? model : result;
  },
});

/** Replaces the nodes of the graph that have a rule, in place; how many. */
function writeOutGraph({ graph, opsets }: Model, context: PassContext): number {
  const emit = new Emitter(graph);
  const { nodes } = graph;
  const opset = opsets.get("") ?? leastOpset;
  graph.nodes = [];
  let count = 0;
  for (const node of nodes) {
    const rule = ruleFor(node);
    const reason =
      rule === undefined ? undefined : writeOutNode(new Composite(node, graph, emit, opset), rule, emit);
    if (rule !== undefined && reason === undefined) {
      count++;
      continue;
    }
    if (reason !== undefined) context.refuse(node, reason);
    graph.nodes.push(node);
  }
  return count;
}

/** Emits what a node is made of under its outputs' names; the reason where it stays as it is, with nothing emitted. */
function writeOutNode(composite: Composite, rule: WriteOutRule, emit: Emitter): string | undefined {
  const { node } = composite;
  const { graph } = emit;
  const since = graph.nodes.length;
  emit.prefix = node.name;
  const result = tryRule(rule, composite);
  const missing =
    "refused" in result ? -1 : node.outputs.findIndex((name, i) => name !== "" && result[i] === undefined);
  if ("refused" in result || missing >= 0) {
    graph.nodes.length = since;
    return "refused" in result ? result.refused : `its output "${node.outputs[missing] ?? ""}" is used`;
  }
  for (const [i, output] of node.outputs.entries())
    if (output !== "") nameOutput(emit, result[i] as string, output, since);
  return undefined;
}

function tryRule(rule: WriteOutRule, composite: Composite): WrittenOut {
  try {
    return rule(composite);
  } catch (error) {
    if (error instanceof NotWritten) return { refused: error.message };
    throw error;
  }
}

/** Gives a value that was emitted from index `since` on the name of an output; an Identity where it is an older one. */
function nameOutput(emit: Emitter, value: string, output: string, since: number): void {
  if (emit.makes(value, since)) emit.rename(value, output, since);
  else emit.op("Identity", [value], {}, { outputs: [output] });
}

function ruleFor({ domain, opType }: Node): WriteOutRule | undefined {
  const own = Object.hasOwn(rules, domain) ? rules[domain] : undefined;
  return own !== undefined && Object.hasOwn(own, opType) ? own[opType] : undefined;
}
