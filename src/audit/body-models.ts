import { intOf, intsOf } from "../ir/attributes.ts";
import { outerNames, tensorType } from "../ir/graph.ts";
import type { Graph, Model, Node, Value, ValueType } from "../ir/model.ts";
import { typeOf } from "../ir/value-types.ts";

/** The body of an If, Loop or Scan, as a model of its own. */
export interface BodyModel {
  /** The node that holds it, and the attribute. */
  node: Node;
  attribute: string;
  model: Model;
}

/**
 * The subgraphs of a model's nodes as models: what a body reads from outside becomes constants and inputs of its own. Types
 * of the model's values must be known, as far as they can be.
 */
export function bodyModels(model: Model): BodyModel[] {
  return model.graph.nodes.flatMap((node) =>
    [...node.attributes].flatMap(([attribute, held]) =>
      held.type !== "graph"
        ? []
        : [{ node, attribute, model: { ...model, graph: closeBody(held.value, node, model.graph) } }],
    ),
  );
}

/** A body with what it reads of the graph around it. */
export function closeBody(body: Graph, node: Node, outer: Graph): Graph {
  const initializers = new Map(body.initializers);
  const inputs = body.inputs.map((input, slot): Value => withType(input, givenType(node, slot, outer)));
  for (const name of outerNames(body)) {
    const constant = outer.initializers.get(name);
    if (constant !== undefined) initializers.set(name, constant);
    else inputs.push({ name, type: typeOf(outer, name) });
  }
  return { ...body, initializers, inputs };
}

const withType = (input: Value, given: ValueType | undefined): Value =>
  given === undefined || (input.type?.kind === "tensor" && input.type.shape !== undefined)
    ? input
    : { ...input, type: given };

/** The type of what a Loop or Scan gives to an input of its body. */
function givenType(node: Node, slot: number, outer: Graph): ValueType | undefined {
  const type = typeOf(outer, node.inputs[slot] ?? "");
  const states = node.inputs.length - intOf(node, "num_scan_inputs", 0);
  // A Loop's body is given the number of the trip, a scalar like the count of trips; a Scan's, slices.
  if (node.opType !== "Scan" || slot < states || type?.kind !== "tensor") return type;
  const axis = Number(intsOf(node, "scan_input_axes")?.[slot - states] ?? 0);
  const along = axis < 0 ? axis + (type.shape?.length ?? 0) : axis;
  return tensorType(
    type.dtype,
    type.shape?.filter((_, at) => at !== along),
  );
}
