import { expect, test } from "vitest";
import { cloneModel } from "../../src/ir/clone.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import type { Dim, Model } from "../../src/ir/model.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { closeTargets } from "../../src/training/artifact/close-targets.ts";
import { LossBuilder } from "../../src/training/losses/ports.ts";

/** x of this shape -> y, of which a model tells as much as `told`, in another order of axes. */
function turned(shape: Dim[], perm: number[], told: Dim[]): Model {
  const graph = createGraph("turned");
  graph.inputs.push(createValue("x", "float32", shape));
  new Emitter(graph).node("Transpose", ["x"], { attributes: { perm }, outputs: ["y"] });
  graph.outputs.push(createValue("y", "float32", told));
  return createModel(graph, 17);
}

/** The shape of what is compared with y = `turned` of some shape, where steps run on `batch` samples. */
async function targetOf(model: Model, told: Dim[], batch: number): Promise<(number | string)[] | undefined> {
  const builder = new LossBuilder(cloneModel(model));
  builder.teacher({ name: "y", value: "y", activation: "none", kind: "features", shape: told });
  const [target] = await closeTargets(model, builder.targets, batch, new Map([["width", 20]]));
  return target?.shape;
}

test.each<
  [name: string, input: Dim[], perm: number[], told: Dim[], batch: number, expected: (number | string)[]]
>([
  ["time first, one sample", [1, 8, "width"], [2, 0, 1], [undefined, 1, 8], 1, [20, 1, 8]],
  ["time first, open batch", ["N", 8, "width"], [2, 0, 1], [undefined, "N", 8], 4, [20, "N", 8]],
  ["samples first", ["N", 8, "width"], [0, 2, 1], [undefined, undefined, 8], 4, ["N", 20, 8]],
  [
    "one sample at a time, open batch",
    ["N", 8, "width"],
    [0, 2, 1],
    [undefined, "width", 8],
    1,
    ["N", 20, 8],
  ],
])("%s", async (_, input, perm, told, batch, expected) => {
  expect(await targetOf(turned(input, perm, told), told, batch)).toEqual(expected);
});
