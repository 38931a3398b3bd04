import { modelError } from "../errors.ts";
import { subgraphsOf } from "./attributes.ts";
import { createGraph } from "./graph.ts";
import type { FunctionDef, Model, Node } from "./model.ts";
import { describeNode, verifyGraph } from "./verify-graph.ts";

/**
 * Checks what the rest of the code takes for granted: values are defined once and before they are read, graphs
 * have no rings, every operator's domain is imported or defined, constants have their declared types.
 * Throws model/* errors that name the graph, node or value.
 */
export function verifyModel(model: Model): void {
  const functions = new Set(model.functions.map(operatorKey));
  verifyOperators(model.graph.nodes, functions, model.opsets, "");
  verifyGraph(model.graph, new Set(), "");
  verifyFunctionNames(model.functions);
  for (const definition of model.functions) verifyFunction(model, definition, functions);
}

const operatorKey = ({ domain, name }: Pick<FunctionDef, "domain" | "name">): string => `${domain}::${name}`;

function verifyFunctionNames(functions: readonly FunctionDef[]): void {
  const seen = new Set<string>();
  for (const definition of functions) {
    const key = `${operatorKey(definition)}::${definition.overload}`;
    if (seen.has(key)) {
      const what = `Function "${operatorKey(definition)}" is defined twice`;
      throw modelError(
        "duplicate-name",
        what,
        undefined,
        "Tell them apart by overload; export the model again.",
      );
    }
    seen.add(key);
  }
}

function verifyFunction(model: Model, definition: FunctionDef, functions: ReadonlySet<string>): void {
  const place = `function "${definition.domain}::${definition.name}", `;
  const opsets = definition.opsets.size > 0 ? definition.opsets : model.opsets;
  verifyOperators(definition.nodes, functions, opsets, place);
  const value = (name: string) => ({ name, type: undefined });
  const body = {
    ...createGraph(definition.name),
    nodes: definition.nodes,
    inputs: definition.inputs.map(value),
    outputs: definition.outputs.map(value),
    valueInfo: definition.valueInfo,
  };
  verifyGraph(body, new Set(), place);
}

/** Every node names an operator, from a domain that is imported or that the model's functions define. */
function verifyOperators(
  nodes: readonly Node[],
  functions: ReadonlySet<string>,
  opsets: ReadonlyMap<string, number>,
  place: string,
): void {
  nodes.forEach((node, index) => {
    const here = `${place}${describeNode(node, index)}`;
    if (node.opType === "") {
      const hint = "The file is damaged or was written wrongly; export the model again.";
      throw modelError("operator", "The node has no operator type", here, hint);
    }
    const own = functions.has(operatorKey({ domain: node.domain, name: node.opType }));
    if (!opsets.has(node.domain) && !own) {
      const domain = node.domain === "" ? "the default domain" : `domain "${node.domain}"`;
      const what = `The operator ${node.opType} is from ${domain}, of which the model imports no version`;
      throw modelError("opset", what, here, "Export the model again with an opset import for it.");
    }
    for (const graph of subgraphsOf(node)) verifyOperators(graph.nodes, functions, opsets, `${here}, `);
  });
}
