import { describe, expect, test } from "vitest";
import { auditModel, type ModelAudit } from "../../src/audit/audit-model.ts";
import { loadModel } from "../../src/onnx/index.ts";
import { openvino } from "../../src/quantization/targets/openvino.ts";
import { ortCpu } from "../../src/quantization/targets/ort-cpu.ts";
import type { Target } from "../../src/quantization/targets/target.ts";
import { tensorrt } from "../../src/quantization/targets/tensorrt.ts";

const audit = async (name: string, target: Target = ortCpu): Promise<ModelAudit> =>
  auditModel(await loadModel(`fixtures/ort-formats/${name}.onnx`), { target });

/** Products of the network per sample: three convolutions on 8x8 and the classifier. */
const macs = 64 * (8 * 27 + 8 * 9 + 8 * 8) + 8 * 5;

describe("files by Python's onnxruntime.quantization", () => {
  test("static QDQ with uint8 activations: all on integers", async () => {
    const { formats, floatNodes, totalMacs, integerMacs, idleQuantizers } = await audit("qdq");
    expect(formats).toEqual(["QDQ"]);
    expect({ floatNodes, idleQuantizers, totalMacs, integerMacs }).toEqual({
      floatNodes: [],
      idleQuantizers: [],
      totalMacs: macs,
      integerMacs: macs,
    });
  });

  test("QOperator: all on integers", async () => {
    const { formats, floatNodes, integerMacs } = await audit("qoperator");
    expect(formats).toContain("QOperator");
    expect({ floatNodes, integerMacs }).toEqual({ floatNodes: [], integerMacs: macs });
  });

  test("dynamic: products on integers, what is around them in float", async () => {
    const { formats, floatNodes, integerMacs } = await audit("dynamic");
    expect(formats).toEqual(["dynamic"]);
    expect(integerMacs).toBe(macs);
    const steps = floatNodes.filter(({ reason }) => reason.includes("to floats"));
    expect(new Set(steps.map(({ op }) => op))).toEqual(new Set(["Add", "Cast", "Mul"]));
    expect(floatNodes.map(({ op }) => op)).toContain("GlobalAveragePool");
    expect(floatNodes.filter(({ reason }) => reason.includes("although"))).toEqual([]);
  });

  // ONNX Runtime on ARM leaves int8 codes as they are.
  test.runIf(process.arch === "x64")(
    "int8 activations: codes of several readers keep their type",
    async () => {
      for (const name of ["qdq-int8", "qdq-symmetric"]) {
        const { floatNodes } = await audit(name);
        const { reason = "" } = floatNodes.find(({ node }) => node === "conv1_node") ?? {};
        expect(reason).toMatch(/two types: its input .* several readers, which stay int8, .* become uint8/);
      }
      const { floatNodes } = await audit("qdq-symmetric");
      const relu = floatNodes.find(({ node }) => node === "relu0_node");
      expect(relu?.reason).toContain("between quantizers of its own");
    },
  );

  test("weights alone: floats, but for a kernel that rounds its input", async () => {
    const packed = await audit("weights");
    expect(packed).toMatchObject({ formats: ["weights"], totalMacs: 64 * 32, integerMacs: 0 });
    expect(packed.floatNodes[0]?.reason).toContain("its weight alone is codes");
    expect(await audit("weights-rounded-input")).toMatchObject({ integerMacs: 64 * 32 });
  });

  test("a float model has nothing on integers, and says so of every node", async () => {
    const { formats, integerNodes, integerMacs, floatNodes } = await audit("float");
    expect({ formats, integerNodes, integerMacs }).toEqual({
      formats: ["float"],
      integerNodes: 0,
      integerMacs: 0,
    });
    const conv = floatNodes.find(({ node }) => node === "conv1_node");
    expect(conv?.reason).toBe(
      'nothing that it reads is quantized: no quantizer stands behind "relu0_node" (Relu)',
    );
  });
});

describe("other targets judge by structure", () => {
  test("tensorrt takes neither uint8 nor zero points nor int32 biases", async () => {
    const { judgedBy, integerMacs, floatNodes } = await audit("qdq", tensorrt);
    expect({ judgedBy, integerMacs }).toEqual({ judgedBy: "structure", integerMacs: 0 });
    const { reason = "" } = floatNodes.find(({ node }) => node === "conv0_node") ?? {};
    expect(reason).toContain("TensorRT takes int8");
    expect(reason).toContain("zero point");
    expect(reason).toMatch(/bias .* is codes; TensorRT takes floats/);
  });

  test("openvino takes uint8 codes, but floats for biases", async () => {
    const { floatNodes } = await audit("qdq", openvino);
    const { reason = "" } = floatNodes.find(({ node }) => node === "conv0_node") ?? {};
    expect(reason).toMatch(/^its bias .* is codes; OpenVINO takes floats$/);
  });
});
