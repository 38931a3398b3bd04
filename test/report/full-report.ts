import type { Report } from "../../src/report/report-data.ts";
import { report } from "./small-report.ts";

/** A report with all sections that `optimize` writes, of a model of `layers` layers and a run of `steps` steps. */
export function fullReport({
  layers,
  steps,
  choices,
}: {
  layers: number;
  steps: number;
  choices: number;
}): Report {
  const names = Array.from({ length: layers }, (_, index) => `/stage/layers.${index}/conv<b>/weight`);
  const counts = Array.from({ length: 64 }, (_, bin) => Math.round(1e4 * Math.exp(-(((bin - 30) / 9) ** 2))));
  const histogram = { from: -1, width: 2 ** -5, counts, zeros: 3 };
  const range: [number, number] = [-0.8, 0.8];
  const samples = (index: number): number => 128 * (index + 1);
  const { training, quantization } = report;
  if (training === undefined || quantization === undefined)
    throw new Error("the small report lacks sections");
  return {
    ...report,
    commandLine: ["efqat", "optimize", "net.onnx", "--data", "my pictures"],
    machine: { cpu: "A processor", processors: 2, memoryBytes: 8e9, system: "linux x64" },
    data: { training: { format: "folders", samples: 10_500 }, test: { format: "folders", samples: 10_000 } },
    stages: [
      { stage: "calibration", seconds: 4, peakBytes: 2e8, runtimePeakBytes: 3e8 },
      { stage: "training", seconds: 60, peakBytes: 2e8 },
    ],
    quantization: {
      ...quantization,
      layers: names.map((weight) => ({
        weight,
        nodes: [weight],
        op: "Conv",
        bits: 4,
        shape: [16, 3, 3, 3],
        rows: 16,
        changedRows: 4,
      })),
    },
    training: {
      ...training,
      history: Array.from({ length: steps }, (_, index) => ({
        samples: samples(index),
        loss: 1 / (index + 1),
      })),
      rates: Array.from({ length: Math.min(steps, 200) }, (_, index) => ({
        samples: samples(index),
        rate: 1e-3 / (index + 1),
        scaleRate: 1e-4,
      })),
      rowsOverTime: {
        samples: Array.from({ length: choices }, (_, index) => samples(index)),
        layers: names.map((weight, row) => ({
          weight,
          shares: Array.from({ length: choices }, (_, index) => ((index * 7 + row * 3) % 11) / 10),
        })),
      },
    },
    layerwise: {
      samples: 16,
      activations: names.map((value, index) => ({
        value,
        op: "Conv",
        weight: value,
        bits: 4,
        alone: 20 + (index % 7),
        accumulated: 15 - (index % 5),
        range,
        clipped: 0.003,
        histogram,
      })),
      weights: names.map((weight) => ({ weight, bits: 4, sqnr: 18, range, clipped: 0.01, histogram })),
    },
    audit: {
      target: "ort-cpu",
      formats: ["QDQ"],
      judgedBy: "kernels",
      integerNodes: 30,
      totalNodes: 32,
      integerMacs: 99,
      totalMacs: 100,
      floatNodes: [{ node: "softmax", op: "Softmax", reason: "no integer kernel", macs: 0 }],
      idleQuantizers: [],
      faults: [],
      kernels: { QLinearConv: 19, Softmax: 1 },
    },
  };
}
