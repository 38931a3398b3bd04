import { graphAttribute } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createValue } from "../../src/ir/graph.ts";
import { ints } from "../../src/tensor/tensor.ts";

/** A Loop, named "island", that takes the hyperbolic tangent of a value `trips` times. */
export function emitLoop(emit: Emitter, value: string, trips = 1): string {
  const body = createGraph("body");
  body.inputs.push(createValue("trip", "int64", []), createValue("go", "bool", []));
  body.inputs.push(createValue("state", "float32", undefined));
  const inner = new Emitter(body);
  inner.node("Identity", ["go"], { outputs: ["on"] });
  inner.node("Tanh", ["state"], { outputs: ["next"] });
  body.outputs.push(createValue("on", "bool", []), createValue("next", "float32", undefined));
  const inputs = [emit.constant(ints([trips], [])), "", value];
  return emit.op("Loop", inputs, { body: graphAttribute(body) }, { name: "island" });
}
