import { describe, expect, test } from "vitest";
import { drawPlots } from "../scripts/bench/draw-plots.ts";
import type { BenchRun } from "../scripts/bench/results.ts";

const rows = (steps: readonly (readonly [number, number])[]): BenchRun["rows"] =>
  steps.map(([ratio, step]) => ({
    arithmetic: "float",
    mode: "cwpl",
    ratio,
    step,
    backward: step / 2,
    overhead: 0,
  }));
const torch = { version: "2", forward: 100, step: 400, peakBytes: 1 };
const base = { model: "net", batch: 8, sample: [3, 32, 32], forward: { float: 50 }, others: 0, times: {} };

/** Titles of the legend, and the points of each line, of an SVG file. */
function linesOf(svg: string | undefined): { legend: string[]; points: number[][][] } {
  const texts = [...(svg ?? "").matchAll(/text-anchor="start">([^<]*)</g)].map(([, title = ""]) => title);
  const lines = [...(svg ?? "").matchAll(/points="([^"]*)"/g)].map(([, points = ""]) =>
    points.split(" ").map((point) => point.split(",").map(Number)),
  );
  return { legend: texts, points: lines };
}

describe("plots of the benchmark", () => {
  test("step time against r, with PyTorch's as a level line", () => {
    const run: BenchRun = {
      ...base,
      kind: "ratio",
      torch,
      rows: rows([
        [1, 200],
        [0.5, 100],
        [0, 50],
      ]),
    };
    const { legend, points } = linesOf(drawPlots([run]).get("ratio-net.svg"));
    expect(legend).toEqual(["float", "PyTorch QAT"]);
    const [own = [], peer = []] = points;
    const [full = [], half = [], none = []] = own as [number[], number[], number[]];
    expect((full[0] as number) - (half[0] as number)).toBeCloseTo((half[0] as number) - (none[0] as number));
    expect(new Set(peer.map(([, y]) => y)).size).toBe(1);
    expect(peer[0]?.[1]).toBeLessThan(full[1] as number);
  });

  test("a sweep has a line per r, in the order of what it sweeps, and none of PyTorch where it did not run", () => {
    const at = (batch: number, step: number): BenchRun => ({
      ...base,
      kind: "batch",
      batch,
      rows: rows([
        [1, step],
        [0.05, step / 2],
      ]),
    });
    const plots = drawPlots([at(16, 400), at(1, 50), at(4, 100)]);
    expect([...plots.keys()]).toEqual(["batch.svg"]);
    const { legend, points } = linesOf(plots.get("batch.svg"));
    expect(legend).toEqual(["float, r = 1", "float, r = 0.05"]);
    const columns = (points[0] ?? []).map(([x]) => x);
    expect(columns).toEqual([...columns].sort((a = 0, b = 0) => a - b));
  });
});
