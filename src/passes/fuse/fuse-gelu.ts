import { dtypeOf } from "../../ir/value-types.ts";
import { fusePattern } from "./fuse-pattern.ts";
import { onlyReader, otherThan, scaledBy, timesScaled } from "./match.ts";

/**
 * x*(1 + erf(x/sqrt 2))/2 in five nodes, as exporters write it below opset 20, becomes one Gelu. Factors may stand in any
 * order.
 */
export const fuseGelu = fusePattern({
  name: "fuse-gelu",
  opType: "Gelu",
  opset: 20,
  anchors: ["Erf"],
  find(edit, erf) {
    const { graph } = edit;
    const scaled = edit.producer(erf.inputs[0] ?? "");
    const x = scaled === undefined ? undefined : scaledBy(graph, scaled, Math.SQRT1_2);
    const add = onlyReader(edit, erf);
    if (scaled === undefined || x === undefined || add === undefined) return undefined;
    if (dtypeOf(graph, x) !== "float32") return undefined;
    if (otherThan(graph, add, "Add", erf.outputs[0] as string) !== 1) return undefined;
    const rest = timesScaled(edit, add, x, 0.5);
    return rest && { parts: [scaled, erf, add, ...rest.parts], last: rest.last, inputs: () => [x] };
  },
});
