import { expect, test } from "vitest";
import { float, graphAttribute } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph } from "../../src/ir/graph.ts";
import type { Attribute, FunctionDef, Node } from "../../src/ir/model.ts";
import { createContext, type Refusal } from "../../src/passes/define-pass.ts";
import { inlineFunctions } from "../../src/passes/inline-functions/inline-functions.ts";
import { scalar, tensorOf } from "../../src/tensor/tensor.ts";
import { tensorAttribute } from "../../src/ir/attributes.ts";
import { buildModel } from "../support/build-model.ts";
import { checkPass } from "../support/pass-case.ts";

const out = { outputs: ["y"] };

function define(
  name: string,
  ports: { inputs: string[]; outputs: string[] },
  build: (emit: Emitter) => void,
  more: Partial<FunctionDef> = {},
): FunctionDef {
  const graph = createGraph(name);
  build(new Emitter(graph));
  return {
    name,
    domain: "local",
    overload: "",
    docString: "",
    ...ports,
    attributeNames: [],
    attributeDefaults: new Map(),
    nodes: graph.nodes,
    opsets: new Map([["", 17]]),
    valueInfo: new Map(),
    metadata: new Map(),
    ...more,
  };
}

const alpha: Attribute = { type: "ref", ref: "alpha", declared: 1 };
const constant = (emit: Emitter, value: number): string =>
  emit.op("Constant", [], { value: tensorAttribute(scalar(value)) });

/** LeakyRelu with a slope that has a default, and the magnitude. */
const leaky = define(
  "Leaky",
  { inputs: ["a"], outputs: ["r", "s"] },
  (emit) => {
    emit.op("LeakyRelu", ["a"], { alpha }, { outputs: ["r"] });
    emit.op("Abs", ["a"], {}, { outputs: ["s"] });
  },
  { attributeDefaults: new Map([["alpha", float(0.25)]]) },
);

/** Calls Leaky inside a branch, with its own attribute. */
function choose(): FunctionDef {
  const yes = createGraph("yes");
  const no = createGraph("no");
  yes.outputs = [{ name: "t", type: undefined }];
  no.outputs = [{ name: "f", type: undefined }];
  new Emitter(yes).node("Leaky", ["a"], {
    domain: "local",
    outputs: ["t", "magnitude"],
    attributes: { alpha },
  });
  new Emitter(no).op("Neg", ["a"], {}, { outputs: ["f"] });
  return define(
    "Choose",
    { inputs: ["a", "flag"], outputs: ["r"] },
    (emit) => {
      const branches = { then_branch: graphAttribute(yes), else_branch: graphAttribute(no) };
      const chosen = emit.op("If", ["flag"], branches);
      emit.op("Add", [chosen, constant(emit, 1)], {}, { outputs: ["r"] });
    },
    {
      attributeNames: ["alpha"],
      opsets: new Map([
        ["", 17],
        ["local", 1],
      ]),
    },
  );
}

const call = (emit: Emitter, op: string, inputs: string[], options: object): string[] =>
  emit.node(op, inputs, { domain: "local", ...options });

function withFunctions(
  functions: FunctionDef[],
  build: (emit: Emitter) => void,
): ReturnType<typeof buildModel> {
  const model = buildModel({ inputs: { x: [2, 3] }, outputs: ["y"], build });
  model.opsets.set("local", 1);
  return { ...model, functions };
}

test("calls, nested calls in branches, attribute references and defaults", async () => {
  const model = withFunctions([leaky, choose()], (emit) => {
    const flag = emit.constant(tensorOf("bool", [], Uint8Array.of(1)), "flag");
    const [first, same] = call(emit, "Leaky", ["x"], { outputs: ["l", "same"], name: "first" });
    const [chosen] = call(emit, "Choose", [first as string, flag], {
      name: "second",
      attributes: { alpha: float(0.5) },
    });
    emit.op("Sum", [chosen as string, same as string], {}, out);
  });
  const { model: inlined } = await checkPass({
    pass: inlineFunctions,
    model,
    golden: "inline-functions",
    tolerance: 0,
  });
  expect(inlined.functions).toEqual([]);
  expect([...inlined.opsets.keys()]).toEqual([""]);
  expect(inlined.graph.nodes.map((node: Node) => node.opType)).toEqual([
    "LeakyRelu",
    "Abs",
    "If",
    "Constant",
    "Add",
    "Sum",
  ]);
});

test("a function for another opset stays with its calls", async () => {
  const other = { ...leaky, opsets: new Map([["", 16]]) };
  const model = withFunctions(
    [other],
    (emit) => void call(emit, "Leaky", ["x"], { outputs: ["y", ""], name: "call" }),
  );
  const { model: same, refusals } = await checkPass({
    pass: inlineFunctions,
    model,
    golden: "inline-functions-opset",
    tolerance: 0,
  });
  expect(same).toBe(model);
  expect(refusals[0]?.reason).toBe('function "Leaky" is written for opset 16 of "ai.onnx", the model for 17');
});

test("an output that is an input of the function becomes an Identity", async () => {
  const pass = define("Pass", { inputs: ["a"], outputs: ["a"] }, () => undefined);
  const model = withFunctions(
    [pass],
    (emit) => void call(emit, "Pass", ["x"], { outputs: ["y"], name: "call" }),
  );
  const inlined = await inlineFunctions.run(model, createContext("inline-functions", []));
  expect(
    inlined.graph.nodes.map(({ name, opType, inputs, outputs }) => ({ name, opType, inputs, outputs })),
  ).toEqual([{ name: "call/Identity", opType: "Identity", inputs: ["x"], outputs: ["y"] }]);
});

test("a function that calls itself stays", async () => {
  const endless = define(
    "Endless",
    { inputs: ["a"], outputs: ["r"] },
    (emit) => void call(emit, "Endless", ["a"], { outputs: ["r"] }),
  );
  const model = withFunctions(
    [endless],
    (emit) => void call(emit, "Endless", ["x"], { outputs: ["y"], name: "call" }),
  );
  const refusals: Refusal[] = [];
  await inlineFunctions.run(model, createContext("inline-functions", refusals));
  expect(refusals.map((refusal) => refusal.reason)).toEqual(['function "Endless" calls itself']);
});
