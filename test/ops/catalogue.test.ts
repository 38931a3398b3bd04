import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { createNode } from "../../src/ir/graph.ts";
import { catalogue, movementOf, rowOf } from "../../src/ops/catalogue/catalogue.ts";
import { contribCatalogue } from "../../src/ops/catalogue/contrib.ts";
import { portOf, weightPortOf } from "../../src/ops/catalogue/ports.ts";
import type { OperatorRow } from "../../src/ops/catalogue/row.ts";
import { operatorNames } from "../../src/ops/operator-names.ts";

const node = (opType: string, attributes: Record<string, number | string> = {}, domain = "") =>
  createNode({ name: "n", opType, domain, inputs: ["x", "w"], outputs: ["y"], attributes });

describe("the catalogue of operators", () => {
  test("has exactly one row per operator of ONNX", () => {
    expect(Object.keys(catalogue).sort()).toEqual([...operatorNames].sort());
    const folder = "src/ops/catalogue";
    const named = ["products", "elementwise", "reductions", "movements", "others"].flatMap((file) =>
      stringsOf(join(folder, `${file}.ts`)).filter((name) => Object.hasOwn(catalogue, name)),
    );
    expect(named.filter((name, i) => named.indexOf(name) !== i)).toEqual([]);
  });

  test("knows ONNX Runtime's own operators in their domain only", () => {
    expect(rowOf(node("QGemm", {}, "com.microsoft"))?.writes).toBe("codes");
    expect(rowOf(node("QGemm"))).toBeUndefined();
    expect(rowOf(node("Conv", {}, "com.microsoft"))).toBeUndefined();
    expect(rowOf(node("toString"))).toBeUndefined();
  });

  test.each([
    ["Conv", {}, 4, 0],
    ["ConvTranspose", {}, 4, 1],
    ["Gemm", {}, 2, 1],
    ["Gemm", { transB: 1 }, 2, 0],
    ["MatMul", {}, 2, 1],
    ["MatMul", {}, 3, 2],
    ["LSTM", {}, 3, 1],
  ] as const)("%s %j of rank %i has its rows on axis %i", (opType, attributes, rank, axis) => {
    const subject = node(opType, attributes);
    expect(weightPortOf(subject)?.axis(subject, rank)).toBe(axis);
  });

  test("tells parameters of normalizations and tables", () => {
    expect(portOf(node("LayerNormalization"), "norm scale")?.slot).toBe(1);
    expect(portOf(node("LayerNormalization"), "norm bias")?.slot).toBe(2);
    expect(portOf(node("Gather"), "table")?.slot).toBe(0);
    expect(portOf(node("SkipLayerNormalization", {}, "com.microsoft"), "norm scale")?.slot).toBe(2);
  });

  test("tells what moves codes by the attributes", () => {
    expect(movementOf(node("Resize", { mode: "nearest" }))?.slot).toBe(0);
    expect(movementOf(node("Resize", { mode: "linear" }))).toBeUndefined();
    expect(movementOf(node("Pad"))).toBeUndefined();
    expect(movementOf(node("Pad", { mode: "edge" }))?.slot).toBe(0);
    expect(movementOf(node("Concat"))).toBeUndefined();
  });

  test("only operators on codes say what they write, and all of them do", () => {
    const rows: [string, OperatorRow][] = [...Object.entries(catalogue), ...Object.entries(contribCatalogue)];
    for (const [name, { kind, writes }] of rows) expect(writes !== undefined, name).toBe(kind === "codes");
  });
});

/** Where lists of operators are tables of rules, kernels or targets: what is computed, not what an operator is. */
const tables = [
  ...["ops/", "onnx/", "quantization/targets/", "quantization/rules/table.ts", "autodiff/rules.ts"],
  ...[
    "lowering/integer/kernels.ts",
    "passes/raise-opset/",
    "passes/fuse/",
    "passes/eliminate-no-ops.ts",
    "passes/resolve-shapes.ts",
    "passes/fold-batch-norm/",
    "passes/write-out/",
    // What each operator makes of the bounds of its input.
    "passes/unquantize/",
  ],
  // Patterns of several operators that are recognised together: filterbanks, and how sums of integers become floats.
  ...["quantization/rules/magnitudes.ts", "audit/explain.ts"],
  // A formula for each activation that recurrent layers may name.
  "autodiff/rules/recurrent/gate-activations.ts",
  // What an output, or a whole graph, is for, guessed from its operators.
  ...["ir/output-hints.ts", "ir/output-kinds.ts", "recipes/"],
  // The activations that losses take together with their logarithms.
  "training/losses/outputs.ts",
];

test("no list of operators by property stands outside the catalogue", () => {
  const names = new Set<string>([...operatorNames, ...Object.keys(contribCatalogue)]);
  const lists = readdirSync("src", { recursive: true, encoding: "utf8" })
    .map((file) => file.split(sep).join("/"))
    .filter((file) => file.endsWith(".ts") && !tables.some((table) => file.startsWith(table)))
    .flatMap((file) => operatorLists(join("src", file), names).map((list) => `${file}: ${list.join(", ")}`));
  expect(lists).toEqual([]);
});

/** Array literals, object literals and patterns of at least three operators by name. */
function operatorLists(file: string, names: ReadonlySet<string>): string[][] {
  const lists: string[][] = [];
  const enter = (found: readonly string[]): void => {
    const operators = [...new Set(found.filter((name) => names.has(name)))];
    if (operators.length >= 3) lists.push(operators);
  };
  const visit = (at: ts.Node): void => {
    if (ts.isArrayLiteralExpression(at))
      enter(at.elements.flatMap((each) => (ts.isStringLiteral(each) ? each.text : [])));
    if (ts.isObjectLiteralExpression(at))
      enter(
        at.properties.flatMap(({ name }) =>
          name && (ts.isIdentifier(name) || ts.isStringLiteral(name)) ? name.text : [],
        ),
      );
    if (ts.isRegularExpressionLiteral(at)) enter(at.text.split(/\W+/));
    if (ts.isCaseBlock(at))
      enter(
        at.clauses.flatMap((clause) =>
          ts.isCaseClause(clause) && ts.isStringLiteral(clause.expression) ? clause.expression.text : [],
        ),
      );
    ts.forEachChild(at, visit);
  };
  visit(parse(file));
  return lists;
}

function stringsOf(file: string): string[] {
  const found: string[] = [];
  const visit = (at: ts.Node): void => {
    if (ts.isPropertyAssignment(at) && (ts.isIdentifier(at.name) || ts.isStringLiteral(at.name)))
      found.push(at.name.text);
    if (ts.isArrayLiteralExpression(at))
      for (const each of at.elements) if (ts.isStringLiteral(each)) found.push(each.text);
    ts.forEachChild(at, visit);
  };
  visit(parse(file));
  return found;
}

const parse = (file: string): ts.SourceFile =>
  ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ES2023, true);
