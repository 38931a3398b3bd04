import { describe, expect, test } from "vitest";
import { graphAttribute } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import type { FunctionDef, Graph, Model, Node } from "../../src/ir/model.ts";
import { verifyModel } from "../../src/ir/verify.ts";
import { floats, ints } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";

/** x -> a -> b -> c, and y = c + w. */
function sampleModel(edit: (graph: Graph, model: Model) => void = () => undefined): Model {
  const graph = createGraph("main");
  graph.inputs.push(createValue("x", "float32", ["N", 2]));
  graph.outputs.push(createValue("y", "float32", ["N", 2]));
  graph.initializers.set("w", floats([1, 2]));
  const emit = new Emitter(graph);
  emit.op("Relu", ["x"], {}, { outputs: ["a"], name: "first" });
  emit.op("Neg", ["a"], {}, { outputs: ["b"], name: "second" });
  emit.op("Abs", ["b"], {}, { outputs: ["c"], name: "third" });
  emit.op("Add", ["c", "w"], {}, { outputs: ["y"], name: "last" });
  const model = createModel(graph, 17);
  edit(graph, model);
  return model;
}

function nodeAt(graph: Graph, index: number): Node {
  const node = graph.nodes[index];
  if (!node) throw new Error(`no node ${index}`);
  return node;
}

function addIf(graph: Graph, body: (inner: Graph) => void): void {
  const inner = createGraph("body");
  body(inner);
  new Emitter(graph).op(
    "If",
    ["cond"],
    { then_branch: graphAttribute(inner) },
    { outputs: ["chosen"], name: "choose" },
  );
  graph.initializers.set("cond", { dtype: "bool", dims: [], bytes: Uint8Array.of(1) });
}

const leaky: FunctionDef = {
  name: "Leaky",
  domain: "own",
  overload: "",
  docString: "",
  inputs: ["p"],
  outputs: ["q"],
  attributeNames: [],
  attributeDefaults: new Map(),
  nodes: [],
  opsets: new Map([["", 17]]),
  valueInfo: new Map(),
  metadata: new Map(),
};

function functionWith(emitBody: (emit: Emitter) => void): FunctionDef {
  const body = createGraph("body");
  emitBody(new Emitter(body));
  return { ...leaky, nodes: body.nodes };
}

describe("sound models", () => {
  test("pass", () => {
    verifyModel(sampleModel());
  });

  test("an initializer may be the default of an input, a body may read outer values and shadow them", () => {
    const model = sampleModel((graph) => {
      graph.inputs.push(createValue("w", "float32", [2]));
      addIf(graph, (inner) => {
        new Emitter(inner).op("Add", ["y", "w"], {}, { outputs: ["a"] });
        inner.outputs.push(createValue("a", "float32", undefined));
      });
    });
    verifyModel(model);
  });

  test("functions bring their own domain", () => {
    const model = sampleModel((graph, whole) => {
      new Emitter(graph).op("Leaky", ["y"], {}, { outputs: ["z"], domain: "own" });
      whole.functions.push(functionWith((emit) => emit.op("Relu", ["p"], {}, { outputs: ["q"] })));
    });
    verifyModel(model);
  });
});

describe("unsound models", () => {
  const cases: [
    name: string,
    edit: (graph: Graph, model: Model) => void,
    code: string,
    what: string,
    where: string,
  ][] = [
    [
      "a ring",
      (graph) => (nodeAt(graph, 1).inputs = ["c"]),
      "cycle",
      'node 2 "third" (Abs) -> node 1 "second" (Neg) -> node 2 "third" (Abs)',
      'graph "main"',
    ],
    [
      "a node that reads itself",
      (graph) => (nodeAt(graph, 2).inputs = ["c"]),
      "cycle",
      'node 2 "third" (Abs) -> node 2 "third" (Abs)',
      'graph "main"',
    ],
    [
      "a ring through an inner graph",
      (graph) => {
        nodeAt(graph, 0).inputs = ["chosen"];
        addIf(graph, (inner) => inner.outputs.push({ name: "y", type: undefined }));
      },
      "cycle",
      '(If) -> node 0 "first" (Relu)',
      'graph "main"',
    ],
    [
      "a wrong order",
      (graph) => graph.nodes.reverse(),
      "node-order",
      'reads "c" before node 1 "third" (Abs) makes it',
      'node 0 "last" (Add)',
    ],
    [
      "an undefined value",
      (graph) => (nodeAt(graph, 3).inputs = ["c", "nowhere"]),
      "undefined-value",
      '"nowhere"',
      'node 3 "last" (Add)',
    ],
    [
      "an undefined output",
      (graph) => graph.outputs.push({ name: "gone", type: undefined }),
      "undefined-value",
      '"gone"',
      'output "gone"',
    ],
    [
      "an undefined value in a body",
      (graph) => addIf(graph, (inner) => new Emitter(inner).op("Neg", ["far"], {}, { name: "inside" })),
      "undefined-value",
      '"far"',
      '(If), then_branch, node 0 "inside" (Neg)',
    ],
    [
      "a value that only a body defines",
      (graph) => {
        addIf(graph, (inner) => new Emitter(inner).op("Neg", ["y"], {}, { outputs: ["deep"] }));
        new Emitter(graph).op("Neg", ["deep"], {}, { name: "outside" });
      },
      "undefined-value",
      '"deep"',
      '"outside"',
    ],
    [
      "two definitions by nodes",
      (graph) => (nodeAt(graph, 2).outputs = ["a"]),
      "duplicate-name",
      'first as node 0 "first" (Relu)',
      'node 2 "third" (Abs)',
    ],
    [
      "a node that redefines an input",
      (graph) => (nodeAt(graph, 2).outputs = ["x"]),
      "duplicate-name",
      'first as input "x"',
      'node 2 "third" (Abs)',
    ],
    [
      "a node that redefines a constant",
      (graph) => (nodeAt(graph, 2).outputs = ["w"]),
      "duplicate-name",
      'first as initializer "w"',
      'node 2 "third" (Abs)',
    ],
    [
      "two inputs of a name",
      (graph) => graph.inputs.push(createValue("x", "float32", [1])),
      "duplicate-name",
      '"x"',
      'input "x"',
    ],
    [
      "a nameless input",
      (graph) => graph.inputs.push(createValue("", "float32", [1])),
      "unnamed-value",
      "no name",
      "input",
    ],
    [
      "a constant of another declared type",
      (graph) => graph.valueInfo.set("w", createValue("w", "int64", [2])),
      "declared-type",
      "float32[2], but declared as int64[2]",
      'initializer "w"',
    ],
    [
      "a constant of another declared shape",
      (graph) => graph.inputs.push(createValue("w", "float32", ["N", 2])),
      "declared-type",
      "float32[2], but declared as float32[N, 2]",
      'initializer "w"',
    ],
    [
      "sparse indices that do not fit",
      (graph) =>
        graph.sparseInitializers.push({
          name: "s",
          values: floats([1, 2]),
          indices: ints([0, 1, 2]),
          dims: [9],
        }),
      "sparse-tensor",
      "2 values",
      'initializer "s"',
    ],
    [
      "a domain that is not imported",
      (graph) => (nodeAt(graph, 1).domain = "com.other"),
      "opset",
      '"com.other"',
      'node 1 "second" (Neg)',
    ],
    [
      "no operator set at all",
      (_graph, model) => model.opsets.clear(),
      "opset",
      "the default domain",
      'node 0 "first" (Relu)',
    ],
    [
      "a domain that is not imported, in a body",
      (graph) => addIf(graph, (inner) => new Emitter(inner).op("Neg", ["y"], {}, { domain: "z" })),
      "opset",
      '"z"',
      '(If), node 0 "Neg" (Neg)',
    ],
    [
      "a node without operator",
      (graph) => (nodeAt(graph, 1).opType = ""),
      "operator",
      "no operator type",
      'node 1 "second" ()',
    ],
    [
      "a function that reads what it does not have",
      (_graph, model) =>
        model.functions.push(functionWith((emit) => emit.op("Neg", ["x"], {}, { outputs: ["q"] }))),
      "undefined-value",
      '"x"',
      'function "own::Leaky", node 0',
    ],
    [
      "two functions of a name",
      (_graph, model) => {
        const twin = functionWith((emit) => emit.op("Neg", ["p"], {}, { outputs: ["q"] }));
        model.functions.push(twin, twin);
      },
      "duplicate-name",
      "own::Leaky",
      "",
    ],
  ];
  test.each(cases)("%s", async (_name, edit, code, what, where) => {
    const error = await catchUserError(() => verifyModel(sampleModel(edit)));
    expect(error.code).toBe(`model/${code}`);
    expect(error.message).toContain(what);
    expect(error.where ?? "").toContain(where);
    expect(error.hint).toBeTruthy();
  });

  test("a long ring is named in short, and depth does not exhaust the stack", async () => {
    const model = sampleModel((graph) => {
      const emit = new Emitter(graph);
      let value = "ring_end";
      for (let i = 0; i < 20_000; i++)
        value = emit.op(
          "Neg",
          [value],
          {},
          { outputs: [i === 19_999 ? "ring_end" : `r${i}`], name: `n${i}` },
        );
    });
    const error = await catchUserError(() => verifyModel(model));
    expect(error.code).toBe("model/cycle");
    expect(error.message.length).toBeLessThan(400);
  });
});
