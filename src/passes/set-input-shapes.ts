import { cloneModel } from "../ir/clone.ts";
import { applyInputShapes, batchSymbol, bindBatch, type InputShapes } from "./bind-inputs.ts";
import { definePass, type Pass } from "./define-pass.ts";

/**
 * Puts the user's shapes into the graph's inputs and gives the open batch dimension one symbol. What was known
 * about inner shapes is forgotten, since it may no longer hold.
 */
export function setInputShapes(shapes: InputShapes = {}): Pass {
  return definePass({
    name: "set-input-shapes",
    run(model) {
      const inputs = applyInputShapes(model.graph, shapes);
      const bound = bindBatch(inputs, batchSymbol(inputs));
      if (JSON.stringify(bound) === JSON.stringify(model.graph.inputs)) return model;
      const result = cloneModel(model);
      const others = result.graph.inputs.filter((input) => result.graph.initializers.has(input.name));
      result.graph.inputs = [...bound, ...others];
      result.graph.valueInfo.clear();
      return result;
    },
  });
}
