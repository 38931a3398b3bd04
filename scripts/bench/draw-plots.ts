import { type LineChart, lineChartFile, type Series } from "../../src/report/line-chart.ts";
import { colours } from "../../src/report/svg.ts";
import { arithmetics, type BenchRun } from "./results.ts";

const stepTime = { title: "one training step, ms", fromZero: true };
/** PyTorch's line in every plot; ours are dashed where some of it is float. */
const torchLook = { title: "PyTorch QAT", colour: "#444", dash: "2 3" };
const lookOf = {
  float: { dash: "6 4", dots: true },
  mixed: { dash: "10 2", dots: true },
  integer: { dots: true },
};

/** SVG files by name: step time against r for every such run, against batch and against depth where runs are. */
export function drawPlots(runs: readonly BenchRun[]): Map<string, string> {
  const ofKind = (kind: BenchRun["kind"]): BenchRun[] => runs.filter((run) => run.kind === kind);
  const charts = new Map<string, LineChart>(
    ofKind("ratio").map((run) => [`ratio-${run.model}.svg`, ratioChart(run)]),
  );
  const [batches, depths] = [ofKind("batch"), ofKind("depth")];
  if (batches.length > 1) charts.set("batch.svg", batchChart(batches));
  if (depths.length > 1) charts.set("depth.svg", depthChart(depths));
  return new Map([...charts].map(([name, chart]) => [name, lineChartFile(chart)]));
}

function ratioChart({ model, batch, sample, rows: all, torch }: BenchRun): LineChart {
  const rows = all.filter(({ mode }) => mode === "cwpl");
  const ratios = [...new Set(rows.map(({ ratio }) => ratio))].sort((a, b) => a - b);
  const ours = arithmetics.map((arithmetic, index): Series => {
    const points = rows
      .filter((row) => row.arithmetic === arithmetic)
      .map(({ ratio, step }) => [ratio, step] as const);
    return { title: arithmetic, points, ...lookOf[arithmetic], colour: colours[index] as string };
  });
  const level = torch && { ...torchLook, points: ratios.map((ratio) => [ratio, torch.step] as const) };
  return {
    title: `Step time against r: ${model}, batch ${batch} of ${sample.join("x")}`,
    x: { title: "r, the share of rows that train", ticks: ratios },
    y: stepTime,
    series: withoutEmpty([...ours, ...(level === undefined ? [] : [level])]),
  };
}

function batchChart(runs: readonly BenchRun[]): LineChart {
  const [{ model, sample }] = runs as [BenchRun, ...BenchRun[]];
  return {
    title: `Step time against batch: ${model}, samples of ${sample.join("x")}`,
    ...sweep(runs, { title: "batch", of: ({ batch }) => batch }),
  };
}

function depthChart(runs: readonly BenchRun[]): LineChart {
  const [{ batch, sample }] = runs as [BenchRun, ...BenchRun[]];
  return {
    title: `Step time against depth: CIFAR-style ResNets, batch ${batch} of ${sample.join("x")}`,
    ...sweep(runs, { title: "depth, layers", of: ({ depth = NaN }) => depth }),
  };
}

/** One line per arithmetic and r over the runs, and PyTorch's. */
function sweep(
  unsorted: readonly BenchRun[],
  along: { title: string; of: (run: BenchRun) => number },
): Omit<LineChart, "title"> {
  const runs = [...unsorted].sort((a, b) => along.of(a) - along.of(b));
  const ratios = [...new Set(runs.flatMap(({ rows }) => rows.map(({ ratio }) => ratio)))];
  const ours = arithmetics.flatMap((arithmetic) =>
    ratios.map((ratio, index): Series => {
      const points = runs.flatMap((run) =>
        run.rows
          .filter((row) => row.arithmetic === arithmetic && row.ratio === ratio)
          .map(({ step }) => [along.of(run), step] as const),
      );
      const colour = colours[index % colours.length] as string;
      return { title: `${arithmetic}, r = ${ratio}`, points, ...lookOf[arithmetic], colour };
    }),
  );
  const peer = runs.flatMap((run) =>
    run.torch === undefined ? [] : [[along.of(run), run.torch.step] as const],
  );
  return {
    x: { title: along.title, ticks: runs.map(along.of) },
    y: stepTime,
    series: withoutEmpty([...ours, { ...torchLook, points: peer }]),
  };
}

const withoutEmpty = (series: readonly Series[]): Series[] =>
  series.filter(({ points }) => points.length > 0);
