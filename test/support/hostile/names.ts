import { field, graphFields, modelOfFields, node, number } from "./wire.ts";
import type { HostileModel } from "./model.ts";
import { encodeModel } from "../../../src/onnx/index.ts";
import { floats } from "../../../src/tensor/tensor.ts";
import { buildModel } from "../build-model.ts";

const last = { outputs: ["y"] };
const eye = floats([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], [4, 4]);

/** Names that JavaScript objects have of their own. */
const builtIn = ["constructor", "toString", "__proto__", "hasOwnProperty", "valueOf"];

/** A MatMul of `input` and `weight` named so, and a Relu behind it that reads `inner`. */
const product = ({ input = "x", weight = "w", inner = "a", dim = "N" }): Uint8Array => {
  const model = buildModel({
    inputs: Object.fromEntries([[input, [dim, 4]]]),
    outputs: ["y"],
    build(emit) {
      emit.graph.initializers.set(weight, eye);
      emit.op("MatMul", [input, weight], {}, { outputs: [inner], name: `make ${inner}` });
      emit.op("Relu", [inner], {}, last);
    },
  });
  return encodeModel(model);
};

const custom = (domain: string, opType: string): Uint8Array =>
  modelOfFields(
    graphFields([node(opType, "x", "y", ...(domain === "" ? [] : [field(7, domain)]))]),
    ...(domain === "" ? [] : [field(8, Buffer.concat([field(1, domain), number(2, 1)]))]),
  );

const attribute = (name: string): Uint8Array =>
  modelOfFields(
    graphFields([
      node("Relu", "x", "y", field(5, Buffer.concat([field(1, name), number(3, 1), number(20, 2)]))),
    ]),
  );

const data = [8, 4];
const escapes = "\u001b[31m\u001b]0;title\u0007\r\nError [x]: fake\u202e";
const markup = '"><script>alert(1)</script>';

export const names: HostileModel[] = [
  ...builtIn.flatMap((name) => [
    { name: `input-${name}`, bytes: () => product({ input: name }), answer: "ok", data },
    { name: `weight-${name}`, bytes: () => product({ weight: name }), answer: "ok", data },
    { name: `value-${name}`, bytes: () => product({ inner: name }), answer: "ok", data },
    { name: `dimension-${name}`, bytes: () => product({ dim: name }), answer: "ok", data },
    { name: `operator-${name}`, bytes: () => custom("", name) },
    { name: `custom-operator-${name}`, bytes: () => custom("my", name) },
    { name: `domain-${name}`, bytes: () => custom(name, "Relu") },
    { name: `attribute-${name}`, bytes: () => attribute(name) },
  ]),
  {
    name: "escape-sequences",
    bytes: () => product({ input: `x${escapes}`, weight: `w${escapes}`, inner: `a${escapes}` }),
    answer: "ok",
  },
  {
    name: "markup",
    bytes: () => product({ input: `x${markup}`, weight: `w${markup}`, inner: `a${markup}` }),
    answer: "ok",
  },
  { name: "escape-sequences-in-operator", bytes: () => custom("my", `Op${escapes}`) },
  {
    name: "name-of-5mb",
    bytes: () => product({ weight: "w".repeat(5_000_000), inner: "a".repeat(5_000_000) }),
    slow: true,
  },
];
