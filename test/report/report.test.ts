import { describe, expect, test } from "vitest";
import { renderHtml } from "../../src/report/render-html.ts";
import { renderText } from "../../src/report/render-text.ts";
import { renderJson, type Report, reportSchema } from "../../src/report/report-data.ts";
import { renderTable } from "../../src/report/text-table.ts";
import { formatBytes, formatSeconds } from "../../src/report/format.ts";

const layer = { nodes: ["conv1"], op: "Conv", bits: 4, shape: [16, 3, 3, 3], rows: 16 };
const report: Report = {
  formatVersion: 1,
  tool: { name: "efqat", version: "0.1.0", runtime: "1.30.0", node: "20.19.0" },
  command: "optimize",
  options: { wbits: 4 },
  model: {
    path: "net.onnx",
    sha256: "00",
    bytes: 1_100_000,
    producer: "",
    opset: 17,
    nodes: 3,
    parameters: 271402,
    inputs: [{ name: "x", type: "float32", shape: ["N", 3, 32, 32] }],
    outputs: [{ name: "<script>alert('x')</script>", type: "float32", shape: ["N", 10] }],
    operators: { Conv: 2, Relu: 1 },
  },
  quantization: {
    target: "ort-cpu",
    wbits: 4,
    abits: 8,
    calibration: "minmax",
    calibrationSamples: 512,
    weights: 1,
    activations: 2,
    layers: [{ ...layer, weight: "conv1.weight<b>", changedRows: 4 }],
    float: [{ node: "n&1", op: "LRN", reason: "no integer kernel" }],
    dropped: [],
  },
  training: {
    mode: "cwpl",
    ratio: 0.25,
    budget: 0.4,
    importance: "magnitude",
    refresh: 4096,
    epochs: 1,
    forward: "integer",
    backward: "float",
    algorithmsByTrial: 0,
    batch: 32,
    microBatch: 16,
    loss: "cross-entropy",
    steps: 3,
    samples: 96,
    seconds: 61,
    peakBytes: 4e8,
    optimizer: {},
    history: [
      { samples: 32, loss: 0.5 },
      { samples: 64, loss: 0.25 },
      { samples: 96, loss: 0.125 },
    ],
    validation: [
      { samples: 0, loss: 0.4, accuracy: 0.9 },
      { samples: 96, loss: 0.3, accuracy: 0.925 },
    ],
    bestStep: 3,
    untrainable: [],
    frozen: [],
    trainedFraction: 0.25,
  },
  scores: [
    { model: "float", samples: 10, top1: 0.9449 },
    { model: "ptq", samples: 10, top1: 0.9, sqnr: 18.04 },
    { model: "efqat", samples: 10, top1: 0.94, sqnr: 21 },
  ],
  output: { path: "out.onnx", bytes: 328_000 },
  audit: {
    ...{ target: "ort-cpu", formats: ["QDQ"], judgedBy: "kernels" },
    ...{ integerNodes: 30, totalNodes: 32, integerMacs: 99, totalMacs: 100 },
    ...{ floatNodes: [], idleQuantizers: [], faults: [], kernels: {} },
  },
  latency: { batch: 1, floatMs: 2, quantizedMs: 1 },
  seconds: 70,
  warnings: ["something odd"],
};

test("JSON reports are checked: a report of another shape cannot be written", () => {
  expect(reportSchema.parse(JSON.parse(renderJson(report)))).toEqual(report);
  expect(() => renderJson({ ...report, seconds: NaN })).toThrow();
  expect(() => renderJson({ ...report, scores: [{ model: "float" }] } as unknown as Report)).toThrow();
});

describe("text", () => {
  test("shows the models side by side and only the columns there are", () => {
    const text = renderText(report);
    const lines = text.split("\n");
    expect(lines.find((line) => line.startsWith("float"))).toMatch(/94\.49 %\s+-\s+1\.10 MB\s+2\.00 ms\s+-$/);
    expect(lines.find((line) => line.startsWith("EfQAT"))).toMatch(
      /94\.00 %\s+21\.0 dB\s+328 kB\s+1\.00 ms\s+99\.00 %$/,
    );
    expect(text).not.toContain("top-5");
    expect(text).toContain("Warning: something odd");
    expect(text).toContain("(2.00x)");
    expect(text).toContain("LRN: no integer kernel (n&1)");
  });

  test("a table aligns the first column left and the others right", () => {
    expect(
      renderTable([
        ["", "a"],
        ["long", "1"],
        ["x", "100"],
      ]),
    ).toBe("        a\n----  ---\nlong    1\nx     100");
  });

  test.each([
    [999, "999 B"],
    [1000, "1.00 kB"],
    [999_900, "1.00 MB"],
    [4.5e9, "4.50 GB"],
  ])("%d bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  test("durations", () => {
    expect(formatSeconds(7.25)).toBe("7.3 s");
    expect(formatSeconds(61)).toBe("1 min 1 s");
    expect(formatSeconds(3720)).toBe("1 h 2 min");
  });
});

describe("HTML", () => {
  const html = renderHtml(report);

  test("loads nothing and escapes what comes out of the model", () => {
    expect(html).not.toMatch(/<script|<link|<img|https?:|src=|url\(/);
    expect(html).toContain("conv1.weight&lt;b&gt;");
    expect(html).toContain("n&amp;1");
  });

  test("draws losses, accuracies and changed rows within the picture", () => {
    const lines = [...html.matchAll(/points="([^"]+)"/g)].map(([, points]) => points?.split(" ") ?? []);
    expect(lines.map((points) => points.length)).toEqual([3, 2, 2]);
    for (const point of lines.flat()) {
      const [x = -1, y = -1] = point.split(",").map(Number);
      expect(x >= 64 && x <= 624 && y >= 16 && y <= 200).toBe(true);
    }
    expect(html).toContain("4 / 16");
    const widths = [...html.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
    expect((widths[1] as number) / (widths[0] as number)).toBeCloseTo(0.9 / 0.9449, 2);
  });

  test("is well-formed: every element that opens closes", () => {
    const open: string[] = [];
    for (const [, close, name, , self] of html.matchAll(/<(\/?)([a-z0-9]+)((?:"[^"]*"|[^">])*?)(\/?)>/g)) {
      if (name === "meta" || self === "/") continue;
      if (close === "/") expect(open.pop()).toBe(name);
      else open.push(name as string);
    }
    expect(open).toEqual([]);
  });
});
