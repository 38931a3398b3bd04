import { describe, expect, test } from "vitest";
import {
  type Arithmetic,
  compareExactness,
  isSettledOn,
  leastMemory,
} from "../../src/training/arithmetic/arithmetic.ts";
import { type ArithmeticFacts, openArithmetic } from "../../src/training/arithmetic/open-arithmetic.ts";

/** All that integers need. */
const fit: ArithmeticFacts = {
  integerForward: true,
  byteActivations: true,
  onCpu: true,
  saturates: false,
  portable: false,
};
const open = ["integer", "float"];

describe("what a step may be computed with", () => {
  test.each<[string, Partial<ArithmeticFacts>, readonly string[], readonly string[]]>([
    ["nothing against integers", {}, open, open],
    ["another layout", { integerForward: false }, ["float"], open],
    ["activations of 4 bits", { byteActivations: false }, ["float"], open],
    ["another provider", { onCpu: false }, ["float"], ["float"]],
    ["kernels that saturate", { saturates: true }, ["float"], ["float"]],
    ["a portable graph", { portable: true }, open, ["float"]],
  ])("auto, %s", (_, facts, forward, backward) => {
    const found = openArithmetic({ forward: "auto", backward: "auto" }, { ...fit, ...facts });
    expect(found).toEqual({ forward, backward });
  });

  const names = Object.keys(fit) as (keyof ArithmeticFacts)[];
  /** Every combination of facts. */
  const all = Array.from({ length: 2 ** names.length }, (_, bits) =>
    Object.fromEntries(names.map((name, at) => [name, ((bits >> at) & 1) === 1])),
  ) as unknown as ArithmeticFacts[];

  test.each(all)("what is asked for is kept, or refused: $integerForward $portable", (facts) => {
    expect(openArithmetic({ forward: "float", backward: "float" }, facts)).toEqual({
      forward: ["float"],
      backward: ["float"],
    });
    const forward = facts.integerForward ? "integer" : "float";
    expect(openArithmetic({ forward: "integer", backward: "float" }, facts).forward).toEqual([forward]);
    const ask = () => openArithmetic({ forward: "auto", backward: "integer" }, facts);
    if (facts.portable) expect(ask).toThrow("An integer backward needs com.microsoft operators");
    else expect(ask().backward).toEqual(["integer"]);
  });
});

test("what is built while the micro-batch is looked for has a float backward, and an integer forward if it may", () => {
  expect(leastMemory({ forward: ["integer", "float"], backward: ["integer"] })).toEqual({
    forward: ["integer"],
    backward: ["float"],
  });
  expect(leastMemory({ forward: ["float"], backward: ["integer", "float"] })).toEqual({
    forward: ["float"],
    backward: ["float"],
  });
});

test("a part is settled on its only candidate", () => {
  expect(isSettledOn(["integer"], "integer")).toBe(true);
  expect(isSettledOn(["integer", "float"], "integer")).toBe(false);
  expect(isSettledOn(["float"], "integer")).toBe(false);
});

test("a backward in codes is less exact than a forward in codes", () => {
  const both: Arithmetic[] = ["integer", "float"];
  const steps = both.flatMap((forward) => both.map((backward) => ({ forward, backward })));
  const order = steps.sort(compareExactness).map(({ forward, backward }) => `${forward} ${backward}`);
  expect(order).toEqual(["float float", "integer float", "float integer", "integer integer"]);
});
