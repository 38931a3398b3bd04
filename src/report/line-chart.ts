import { formatNumber } from "./format.ts";
import { colours, figure, svgFile, text, width } from "./svg.ts";

/** A line of points; the first coordinate runs along the horizontal axis. */
export interface Series {
  title: string;
  points: readonly (readonly [number, number])[];
  colour?: string;
  /** Lengths of dashes and gaps, as in SVG; solid unless given. */
  dash?: string;
  /** A dot at every point. */
  dots?: boolean;
}

export interface Axis {
  title: string;
  /** Values to mark; round ones unless given. */
  ticks?: readonly number[];
  /** The axis starts at zero whatever the values. */
  fromZero?: boolean;
}

export interface LineChart {
  title: string;
  x: Axis;
  y: Axis;
  series: readonly Series[];
}

type Scale = (value: number) => number;

/** The plane between the axes; the legend is to its right. */
const plane = { left: 64, right: width - 150, top: 16, below: 44 };

/** Lines over a common pair of linear axes, as a figure for a page; nothing where no line has two points. */
export function lineChart(chart: LineChart): string {
  if (!chart.series.some(({ points }) => points.length > 1)) return "";
  return figure(chart.title, drawLines(chart, 260, "page"), 260);
}

/** The same as an SVG file, and taller. */
export function lineChartFile(chart: LineChart): string {
  return svgFile(chart.title, drawLines(chart, 360, "file"), 360);
}

/** Where a chart is drawn: a page gives colours by class, a file has them itself. */
type Place = "page" | "file";

function drawLines({ x: xAxis, y: yAxis, series }: LineChart, height: number, place: Place): string[] {
  const points = series.flatMap((line) => line.points);
  const { left, right, top } = plane;
  const bottom = height - plane.below;
  const x = scale(xAxis, { values: points.map(([value]) => value), from: left, to: right });
  const y = scale(yAxis, { values: points.map(([, value]) => value), from: bottom, to: top });
  const middle = (top + bottom) / 2;
  return [
    ...y.ticks.map((tick) => horizontalTick(tick, y.at(tick), place)),
    ...x.ticks.map((tick) => text(x.at(tick), bottom + 16, formatNumber(tick), "middle")),
    text((left + right) / 2, bottom + 36, xAxis.title, "middle"),
    `<g transform="rotate(-90 14 ${middle})">${text(14, middle, yAxis.title, "middle")}</g>`,
    ...series.map((line, index) => polyline(line, index, x.at, y.at, place)),
    ...series.map((line, index) => legendRow(line, index, top + index * 20, place)),
  ];
}

function horizontalTick(value: number, y: number, place: Place): string {
  const at = y.toFixed(1);
  return (
    `<line x1="${plane.left}" x2="${plane.right}" y1="${at}" y2="${at}" ${place === "page" ? 'class="grid"' : 'stroke="#ddd"'}/>` +
    text(plane.left - 6, y + 4, formatNumber(value), "end")
  );
}

function polyline(line: Series, index: number, x: Scale, y: Scale, place: Place): string {
  const places = line.points.map(([a, b]) => [x(a).toFixed(1), y(b).toFixed(1)] as const);
  const path = places.map((place) => place.join(",")).join(" ");
  const dots = places.map(([a, b]) => dot(line, index, a, b, place));
  return `<polyline fill="none" ${strokeOf(line, index, place)} points="${path}"/>${dots.join("")}`;
}

function legendRow(line: Series, index: number, y: number, place: Place): string {
  const x = plane.right + 16;
  const at = (y + 6).toFixed(1);
  return (
    `<line x1="${x}" x2="${x + 28}" y1="${at}" y2="${at}" ${strokeOf(line, index, place)}/>` +
    dot(line, index, String(x + 14), at, place) +
    text(x + 34, y + 10, line.title, "start")
  );
}

function dot(line: Series, index: number, x: string, y: string, place: Place): string {
  const fill = place === "page" ? `class="area series${index}"` : `fill="${colourOf(line, index)}"`;
  return line.dots === true ? `<circle cx="${x}" cy="${y}" r="2.5" ${fill}/>` : "";
}

const colourOf = ({ colour }: Series, index: number): string =>
  colour ?? (colours[index % colours.length] as string);

function strokeOf(line: Series, index: number, place: Place): string {
  const dash = line.dash === undefined ? "" : ` stroke-dasharray="${line.dash}"`;
  const colour = place === "page" ? `class="stroke series${index}"` : `stroke="${colourOf(line, index)}"`;
  return `${colour} stroke-width="1.5"${dash}`;
}

/** A linear map from an axis to the picture, and the values to mark on it. */
function scale(
  axis: Axis,
  { values, from, to }: { values: readonly number[]; from: number; to: number },
): { at: Scale; ticks: readonly number[] } {
  const [low, high] = extent([...values, ...(axis.ticks ?? []), ...(axis.fromZero === true ? [0] : [])]);
  return {
    at: (value) => from + ((value - low) / (high - low)) * (to - from),
    ticks: axis.ticks ?? roundTicks(low, high),
  };
}

function extent(values: readonly number[]): readonly [number, number] {
  const finite = values.filter(Number.isFinite);
  const low = finite.reduce((least, value) => Math.min(least, value), Infinity);
  const high = finite.reduce((most, value) => Math.max(most, value), -Infinity);
  return low < high ? [low, high] : [low - 0.5, low + 0.5];
}

function roundTicks(low: number, high: number): number[] {
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const ticks: number[] = [];
  for (let index = Math.ceil(low / step); index * step <= high; index++) ticks.push(index * step);
  return ticks;
}
