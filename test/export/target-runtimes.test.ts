import { beforeAll, describe, expect, test } from "vitest";
import { pointsBelow } from "../../scripts/targets/bounds.ts";
import { classifyInOpenVINO, classifyInRuntime, classifyInWeb } from "../../scripts/targets/classify.ts";
import { compareClasses } from "../../scripts/targets/compare-classes.ts";
import {
  exportFixture,
  type Fixture,
  fixtureData,
  openFixture,
} from "../../scripts/targets/export-fixture.ts";
import { findFloatLayers } from "../../scripts/targets/find-float-layers.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { limitSamples } from "../../src/data/subset.ts";
import { auditModel } from "../../src/audit/audit-model.ts";
import { ortCpu } from "../../src/quantization/targets/ort-cpu.ts";
import type { Model } from "../../src/ir/model.ts";
import { targetNamed, targets } from "../../src/quantization/targets/table.ts";
import { type Tensor, toNumbers } from "../../src/tensor/tensor.ts";
import { requirePython } from "../support/python.ts";

/** Images that files are compared on; `npm run check:targets` takes all 10,000. */
const images = 1000;

/** What ONNX Runtime's CPU provider must run on integers of the file for it: nodes, and multiply-accumulates. */
const integerShare = { resnet20: { nodes: 1, macs: 1 }, mobilenetv3: { nodes: 39 / 65, macs: 1 } } as const;

describe.each(["resnet20", "mobilenetv3"] as const)("%s", (name) => {
  let fixture: Fixture;
  let samples: Dataset;
  let labels: ArrayLike<number>;
  let baseline: ArrayLike<number>;

  beforeAll(async () => {
    fixture = await openFixture(name);
    samples = limitSamples(await fixtureData("test"), images);
    labels = (await samples.read(Array.from({ length: images }, (_, i) => i))).labels ?? [];
    baseline = await classifyInRuntime((await fileFor("ort-cpu")).model, samples);
  });

  const fileFor = (target: string) => exportFixture(fixture, targetNamed(target));

  /** Not further below the file for ort-cpu than allowed, beyond what chance in the draw of images explains. */
  function expectWithin(target: string, classes: ArrayLike<number>): void {
    const { lost, error, accuracy } = compareClasses(classes, baseline, labels);
    expect(accuracy).toBeGreaterThan(88);
    expect(lost - 1.64 * error, `points below ort-cpu: ${lost}`).toBeLessThanOrEqual(
      pointsBelow[target] ?? 0,
    );
  }

  test("ort-cpu: integer kernels for as many nodes and products as ever", async () => {
    const { model, plan } = await fileFor("ort-cpu");
    const audit = await auditModel(model, {
      target: ortCpu,
      reasons: new Map(plan.float.map(({ node, reason }) => [node, reason])),
    });
    const { nodes, macs } = integerShare[name];
    expect(audit.integerNodes / audit.totalNodes).toBeGreaterThanOrEqual(nodes);
    expect(audit.integerMacs / audit.totalMacs).toBeGreaterThanOrEqual(macs);
  });

  test("ort-web: in onnxruntime-web's wasm", async () => {
    expectWithin("ort-web", await classifyInWeb((await fileFor("ort-web")).model, samples));
  });

  test("openvino: in OpenVINO, every quantized layer on integers", async (context) => {
    const python = await requirePython(context, ["openvino", "numpy"]);
    const { model, plan } = await fileFor("openvino");
    const { classes, layers } = await classifyInOpenVINO(python, model, samples);
    expectWithin("openvino", classes);
    expect(findFloatLayers(layers, plan)).toEqual([]);
  });

  const inRuntime = targets
    .map((target) => target.name)
    .filter((each) => !/^(ort-cpu|ort-web|openvino)$/.test(each));

  test.each(inRuntime)("%s: the rules of its documentation, and accuracy in ONNX Runtime", async (target) => {
    const { model } = await fileFor(target);
    expect(brokenRules(model, target)).toEqual([]);
    expectWithin(target, await classifyInRuntime(model, samples));
  });

  test("qnn with 16-bit activations: as accurate, codes of 16 bits throughout, fixed steps of Sigmoid", async () => {
    const { model, plan } = await exportFixture(fixture, targetNamed("qnn"), { abits: 16 });
    expect(brokenRules(model, "qnn")).toEqual([]);
    expect(new Set(plan.activations.map(({ bits }) => bits))).toEqual(new Set([16]));
    const quantizers = model.graph.nodes.filter(({ opType }) => opType === "QuantizeLinear");
    const types = quantizers.map(({ inputs }) => model.graph.initializers.get(inputs[2] ?? "")?.dtype);
    expect(new Set(types)).toEqual(new Set(["uint16"]));
    for (const { name: sigmoid } of plan.activations.filter(({ fixedRange }) => fixedRange?.[0] === 0))
      expect(toNumbers(model.graph.initializers.get(`${sigmoid}.scale`) as Tensor)).toEqual([1 / 65536]);
    expectWithin("qnn", await classifyInRuntime(model, samples));
  });

  const brokenRules = (model: Model, target: string): string[] =>
    targetNamed(target).verified.rules.flatMap((rule) =>
      rule.check(model).map((what) => `${rule.name}: ${what}`),
    );
});
