/**
 * Runs the file for every target over all 10,000 test images of Fashion-MNIST: `npm run check:targets [resnet20|mobilenetv3]`.
 * That for ort-web runs in onnxruntime-web, that for openvino in OpenVINO (EFQAT_PYTHON names a Python with openvino and
 * numpy; without, it is left out), all others in ONNX Runtime on CPU. Ends with an error where one is further below that for
 * ort-cpu than it may be, or OpenVINO computes a quantized layer in float.
 */
import { subset } from "../src/data/subset.ts";
import { targets } from "../src/quantization/targets/table.ts";
import { pointsBelow } from "./targets/bounds.ts";
import { classifyInOpenVINO, classifyInRuntime, classifyInWeb } from "./targets/classify.ts";
import { compareClasses } from "./targets/compare-classes.ts";
import { exportFixture, fixtureData, fixtureNames, openFixture } from "./targets/export-fixture.ts";
import { findFloatLayers } from "./targets/find-float-layers.ts";

const asked = process.argv[2];
const python = process.env["EFQAT_PYTHON"];
const all = await fixtureData("test");
const samples = subset(
  all,
  Uint32Array.from({ length: all.length }, (_, i) => i),
  {},
);
const labels = (await samples.read(Array.from({ length: samples.length }, (_, i) => i))).labels ?? [];

let failed = false;
for (const name of fixtureNames.filter((each) => asked === undefined || asked === each)) {
  const fixture = await openFixture(name);
  let baseline: ArrayLike<number> | undefined;
  for (const target of targets) {
    const { model, plan } = await exportFixture(fixture, target);
    let where = "ONNX Runtime";
    let classes: ArrayLike<number>;
    let float: string[] = [];
    if (target.name === "ort-web") {
      where = "onnxruntime-web";
      classes = await classifyInWeb(model, samples);
    } else if (target.name === "openvino" && python !== undefined) {
      const found = await classifyInOpenVINO(python, model, samples);
      where = `OpenVINO ${found.version.split("-")[0] ?? ""}`;
      classes = found.classes;
      float = findFloatLayers(found.layers, plan);
    } else classes = await classifyInRuntime(model, samples);
    baseline ??= classes;
    const { accuracy, lost, error } = compareClasses(classes, baseline, labels);
    const most = pointsBelow[target.name] ?? 0;
    const wrong = lost > most || float.length > 0;
    failed ||= wrong;
    const told = `${name} ${target.name.padEnd(16)} ${accuracy.toFixed(2)} %, ${lost.toFixed(2)} below ort-cpu (standard error ${error.toFixed(2)}, at most ${most})`;
    console.log(`${told}, in ${where}${wrong ? " WRONG" : ""}`);
    for (const layer of float) console.log(`  in float: ${layer}`);
  }
}
if (failed) process.exitCode = 1;
