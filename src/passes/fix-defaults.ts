import { cloneModel } from "../ir/clone.ts";
import { requiredInputs } from "../ir/value-types.ts";
import { definePass } from "./define-pass.ts";

/**
 * Makes constants of graph inputs that have a default value among the initializers (IR 3 files list every weight
 * as an input). Callers can no longer override them; the values they had by default are unchanged.
 */
export const fixDefaults = definePass({
  name: "fix-defaults",
  run(model, { logger }) {
    const defaults = model.graph.inputs.filter((input) => model.graph.initializers.has(input.name));
    if (defaults.length === 0 && model.irVersion >= 8) return model;
    if (defaults.length > 0) {
      const names = defaults.map((input) => input.name);
      const listed = names.slice(0, 3).join(", ") + (names.length > 3 ? ", ..." : "");
      logger.info(`${names.length} inputs with default values became constants: ${listed}`);
    }
    const result = cloneModel(model);
    const { graph } = result;
    graph.inputs = requiredInputs(graph);
    result.irVersion = Math.max(model.irVersion, 8);
    return result;
  },
});
