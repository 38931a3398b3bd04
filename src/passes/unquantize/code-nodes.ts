import { unsupportedError } from "../../errors.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";

/** Operators on codes of a graph, those of its subgraphs left out. */
export const codeNodes = ({ nodes }: Pick<Graph, "nodes">): Node[] =>
  nodes.filter((node) => rowOf(node)?.kind === "codes" || isKernel(node));

/** Kernels of ONNX Runtime's on codes, those among them that the catalogue does not have. */
const isKernel = ({ domain, opType }: Node): boolean =>
  domain === "com.microsoft" && /^(Q[A-Z]|DynamicQuantize)/.test(opType);

/** Says that a model that is to be quantized is so already, and what can be done with it. */
export const alreadyQuantized = ({ name, opType }: Node): Error =>
  unsupportedError(
    "already-quantized",
    `The model is quantized already: it holds a ${opType}`,
    `node "${name}"`,
    "Give --quantized keep to go on from its codes, or --quantized redo to calibrate it anew; best is to start from the float model that it was made from.",
  );
