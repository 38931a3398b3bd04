import { cloneModel } from "../ir/clone.ts";
import {
  applyInputShapes,
  type BatchAxes,
  bindSymbols,
  type InputShapes,
  nameOpenDims,
  type Sizes,
} from "./bind-inputs.ts";
import { definePass, type Pass } from "./define-pass.ts";

/** What is known of a model's inputs beyond what it declares. */
export interface InputFacts {
  /** Shapes of inputs, by name; -1 leaves a dimension as the model has it. */
  shapes?: InputShapes | undefined;
  /** Axes of inputs that hold the batch, where the symbols do not tell. */
  batchAxes?: BatchAxes | undefined;
  /** Sizes of symbols that turned out to be the only ones. */
  sizes?: Sizes | undefined;
}

/**
 * Puts the user's shapes into the graph's inputs and names their open dimensions. What was known about inner shapes is
 * forgotten, since it may no longer hold.
 */
export function setInputShapes({ shapes = {}, batchAxes, sizes = new Map() }: InputFacts = {}): Pass {
  return definePass({
    name: "set-input-shapes",
    run(model) {
      const inputs = applyInputShapes(model.graph, shapes);
      const bound = bindSymbols(nameOpenDims(inputs, batchAxes).inputs, sizes);
      if (JSON.stringify(bound) === JSON.stringify(model.graph.inputs)) return model;
      const result = cloneModel(model);
      const others = result.graph.inputs.filter((input) => result.graph.initializers.has(input.name));
      result.graph.inputs = [...bound, ...others];
      result.graph.valueInfo.clear();
      return result;
    },
  });
}
