import { type LineChart, lineChartFile, type Series } from "../../../src/report/line-chart.ts";
import { type AblationResults, meanOf } from "./results.ts";

/** SVG files by name: accuracy against the time of a step, one per network and bit widths. */
export function drawAblation({ rows }: AblationResults): Map<string, string> {
  const settings = [...new Set(rows.map(({ setting }) => setting))];
  return new Map(
    settings.map((setting) => {
      const own = rows.filter((row) => row.setting === setting && row.step !== undefined);
      const kinds = [...new Set(own.map(({ choice }) => kindOf(choice)))];
      const series = kinds.map((kind): Series => ({
        title: kind,
        dots: true,
        points: own
          .filter(({ choice }) => kindOf(choice) === kind)
          .map(({ step = 0, top1 }) => [step, meanOf(top1)] as const)
          .sort(([a], [b]) => a - b),
      }));
      const chart: LineChart = {
        title: `Accuracy against the time of a step: ${setting}`,
        x: { title: "one training step, ms" },
        y: { title: "top-1, %" },
        series,
      };
      return [`${setting}.svg`, lineChartFile(chart)];
    }),
  );
}

/** A choice without its share: points of one line. */
const kindOf = (choice: string): string => choice.slice(0, choice.lastIndexOf("-"));
