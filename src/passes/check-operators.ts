import { unsupportedError } from "../errors.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import { definePass } from "./define-pass.ts";

/** Domains whose operators ONNX Runtime's builds have. */
const builtIn = /^(|ai\.onnx(\..*)?|com\.microsoft(\..*)?|com\.ms(\..*)?)$/;

/** How many nodes an error names. */
const mostNamed = 3;

/**
 * Throws where a model has operators of somebody's own: they come in a native library, which ONNX Runtime's Node binding
 * has no way to load. Changes nothing; functions that the model defines must have been expanded.
 */
export const checkOperators = definePass({
  name: "check-operators",
  run(model: Model): Model {
    const custom = [...customNodes(model.graph)];
    if (custom.length === 0) return model;
    const named = custom
      .slice(0, mostNamed)
      .map(({ opType, domain, name }) => `${opType} of the domain "${domain}" (node "${name}")`);
    const more = custom.length > mostNamed ? ` and ${custom.length - mostNamed} more` : "";
    const what = custom.length === 1 ? "a custom operator" : "custom operators";
    throw unsupportedError(
      "custom-operator",
      `The model uses ${what}, which ONNX Runtime does not have: ${named.join(", ")}${more}`,
      undefined,
      "Libraries of custom operators cannot be loaded here: ONNX Runtime's Node binding (onnxruntime-node) has no call for it. Cut the model in front of these nodes, or export it with operators of ONNX.",
    );
  },
});

function* customNodes({ nodes }: Graph): Generator<Node> {
  for (const node of nodes) {
    if (!builtIn.test(node.domain)) yield node;
    for (const graph of subgraphsOf(node)) yield* customNodes(graph);
  }
}
