import { expect, test } from "vitest";
import { graphAttribute, subgraphsOf } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createValue } from "../../src/ir/graph.ts";
import type { Graph, Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { quantizeSubgraphWeights } from "../../src/quantization/subgraph-weights.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { ints, type Tensor, tensorOf, toNumbers } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";

const width = 24;
const weight = (seed: number): Tensor => randomTensor([width, width], seed, -0.4, 0.4);

/** x times a weight of its own, times one of the graph around it, in a graph of this kind. */
function body(outer: string, own: Tensor, kind: "branch" | "loop"): Graph {
  const graph = createGraph(kind);
  const emit = new Emitter(graph);
  emit.prefix = kind;
  let value = "x";
  if (kind === "loop") {
    graph.inputs.push(createValue("i", "int64", []), createValue("go", "bool", []));
    graph.inputs.push(createValue("state", "float32", undefined));
    graph.outputs.push({ name: emit.op("Identity", ["go"]), type: createValue("c", "bool", []).type });
    value = "state";
  }
  graph.initializers.set("own", own);
  const result = emit.op("Tanh", [emit.op("MatMul", [emit.op("MatMul", [value, "own"]), outer])]);
  graph.outputs.push(createValue(result, "float32", undefined));
  return graph;
}

/** An If whose branches have own weights and one of the graph's, and a Loop of three rounds with another. */
const controlled = (): Model =>
  buildModel({
    inputs: { x: ["N", width], flag: ["bool"] },
    outputs: ["y"],
    build(emit) {
      const { initializers } = emit.graph;
      for (const [i, name] of ["shared", "inner", "both"].entries()) initializers.set(name, weight(i));
      const branches = {
        then_branch: body("shared", weight(5), "branch"),
        else_branch: body("both", weight(6), "branch"),
      };
      const taken = emit.op("If", ["flag"], {
        then_branch: graphAttribute(branches.then_branch),
        else_branch: graphAttribute(branches.else_branch),
      });
      const rounds = emit.constant(ints([3], []));
      const go = emit.constant(tensorOf("bool", [], Uint8Array.of(1)));
      const looped = emit.op("Loop", [rounds, go, "x"], {
        body: graphAttribute(body("inner", weight(7), "loop")),
      });
      const outside = emit.op("MatMul", ["x", "both"]);
      emit.op("Sum", [taken, looped, outside], {}, { outputs: ["y"] });
    },
  });

async function outputs(model: Model, flag: number): Promise<number[]> {
  const feeds = { x: randomTensor([5, width], 9, -1, 1), flag: tensorOf("bool", [], Uint8Array.of(flag)) };
  const found = await withSession(model, { threads: 1 }, (session) => session.run(feeds));
  return toNumbers(found["y"] as Tensor);
}

test("weights in If and Loop bodies become codes; one that the graph around reads, too, stays", async () => {
  const prepared = await prepareModel(controlled());
  const { model, weights } = quantizeSubgraphWeights(prepared);
  expect(weights.sort()).toEqual(["inner", "own", "own", "own", "shared"]);
  const inner = model.graph.nodes.flatMap(subgraphsOf);
  for (const { initializers, nodes } of inner) {
    expect([...initializers.values()].filter(({ dtype }) => dtype === "int8").length).toBeGreaterThan(0);
    expect(nodes.filter(({ opType }) => opType === "DequantizeLinear").length).toBeGreaterThan(0);
  }
  expect(model.graph.initializers.get("both")?.dtype).toBe("float32");
  expect(model.graph.initializers.has("shared")).toBe(false);
  expect(model.graph.nodes.map(({ opType }) => opType)).not.toContain("DequantizeLinear");
  for (const flag of [0, 1]) {
    const [float, found] = [await outputs(prepared, flag), await outputs(model, flag)];
    const error = Math.hypot(...found.map((value, i) => value - (float[i] as number))) / Math.hypot(...float);
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(0.02);
  }
  expect(quantizeSubgraphWeights(model).weights).toEqual([]);
});

test("a model without subgraphs is given back", async () => {
  const plain = await prepareModel(
    buildModel({
      inputs: { x: ["N", width] },
      outputs: ["y"],
      build: (emit) => void emit.op("MatMul", ["x", emit.constant(weight(1))], {}, { outputs: ["y"] }),
    }),
  );
  expect(quantizeSubgraphWeights(plain)).toEqual({ model: plain, weights: [] });
});
