import { barChart } from "./bar-chart.ts";
import { formatBytes, formatPercent, formatSeconds } from "./format.ts";
import { heatMap } from "./heat-map.ts";
import { paragraph, section } from "./html-parts.ts";
import { lineChart, type LineChart } from "./line-chart.ts";
import type { Report, TrainingSection } from "./report-data.ts";

/** Most points of a line, and most rows of a heat map. */
const [mostPoints, mostRows] = [400, 200];

type Point = readonly [x: number, y: number];

/** How training went: losses, learning rates, which rows trained when, and of which it changed codes. */
export function trainingSection({ training, quantization }: Report): string {
  if (training === undefined) return "";
  const { rowsOverTime, steps, samples, seconds, trainedFraction, bestStep, workers } = training;
  const changed = (quantization?.layers ?? []).flatMap(({ weight, rows, changedRows }) =>
    changedRows === undefined
      ? []
      : [{ title: weight, value: changedRows / rows, text: `${changedRows} / ${rows}` }],
  );
  const shared =
    workers === undefined
      ? ""
      : ` by ${workers.count} workers (${formatBytes(workers.sentPerStep + workers.receivedPerStep)} a step between them)`;
  const kept = bestStep === 0 ? "the start" : `the state of step ${bestStep}`;
  return section(
    "Training",
    [
      paragraph(
        `${steps} steps on ${samples} samples in ${formatSeconds(seconds)}${shared}; ${formatPercent(trainedFraction)} of the rows trained at the end; kept: ${kept}.`,
      ),
      `<div class="charts">${charts(training).map(lineChart).join("")}</div>`,
      rowsOverTime === undefined
        ? ""
        : heatMap(
            "Rows that trained, by layer and choice",
            rowsOverTime.samples,
            rowsOverTime.layers.slice(0, mostRows).map(({ weight, shares }) => ({ name: weight, shares })),
          ),
      barChart("Rows of which training changed an integer code", changed.slice(0, mostRows), 1),
    ].join("\n"),
  );
}

function charts({ history, validation, rates = [] }: TrainingSection): LineChart[] {
  const x = { title: "samples seen" };
  const accuracy = validation.flatMap(({ samples, accuracy: value }): Point[] =>
    value === undefined ? [] : [[samples, value]],
  );
  const relative = (of: (each: (typeof rates)[number]) => number | undefined): Point[] =>
    rates.flatMap((each): Point[] => {
      const value = of(each);
      return value === undefined ? [] : [[each.samples, value]];
    });
  return [
    {
      title: "Loss by samples seen",
      x,
      y: { title: "loss" },
      series: [
        { title: "training", points: thin(history.map(({ samples, loss }) => [samples, loss])) },
        { title: "held out", points: thin(validation.map(({ samples, loss }) => [samples, loss])) },
      ],
    },
    {
      title: "Held-out top-1 accuracy by samples seen",
      x,
      y: { title: "top-1" },
      series: [{ title: "held out", points: thin(accuracy) }],
    },
    {
      title: "Learning rates by samples seen",
      x,
      y: { title: "rate", fromZero: true },
      series: [
        { title: "weights", points: relative(({ rate }) => rate) },
        { title: "scales", points: relative(({ scaleRate }) => scaleRate) },
      ].filter(({ points }) => points.length > 0),
    },
  ];
}

/** Means of neighbours where there are more points than a picture shows. */
function thin(points: readonly Point[]): Point[] {
  const size = Math.ceil(points.length / mostPoints);
  if (size <= 1) return [...points];
  const means: Point[] = [];
  for (let start = 0; start < points.length; start += size) {
    const part = points.slice(start, start + size);
    const y = part.reduce((sum, point) => sum + point[1], 0) / part.length;
    means.push([(part.at(-1) as Point)[0], y]);
  }
  return means;
}
