import { escapeHtml } from "./escape-html.ts";
import { formatNumber } from "./format.ts";

/** A line of points; the first coordinate runs along the horizontal axis. */
export interface Series {
  title: string;
  points: readonly (readonly [number, number])[];
}

const width = 640;
const height = 240;
const margin = { left: 64, right: 16, top: 16, bottom: 40 };
const colours = ["#1b6ca8", "#c8553d", "#588157"];

/** Lines over a common pair of linear axes, as an inline SVG image with a text alternative. */
export function lineChart(title: string, xTitle: string, series: readonly Series[]): string {
  const points = series.flatMap((line) => line.points);
  if (points.length < 2) return "";
  const x = scale(extent(points.map(([value]) => value)), margin.left, width - margin.right);
  const y = scale(extent(points.map(([, value]) => value)), height - margin.bottom, margin.top);
  const lines = series.map(({ points: line }, index) => {
    const path = line.map(([a, b]) => `${x.at(a).toFixed(1)},${y.at(b).toFixed(1)}`).join(" ");
    return `<polyline fill="none" stroke="${colours[index % colours.length]}" stroke-width="1.5" points="${path}"/>`;
  });
  const legend = series.map(
    ({ title: name }, index) =>
      `<text x="${margin.left + 8 + index * 140}" y="${height - 6}" fill="${colours[index % colours.length]}">${escapeHtml(name)}</text>`,
  );
  return frame(title, [
    ...y.ticks.map((tick) => horizontalTick(tick, y.at(tick))),
    ...x.ticks.map(
      (tick) =>
        `<text x="${x.at(tick).toFixed(1)}" y="${height - margin.bottom + 16}" text-anchor="middle">${formatNumber(tick)}</text>`,
    ),
    `<text x="${width - margin.right}" y="${height - 6}" text-anchor="end">${escapeHtml(xTitle)}</text>`,
    ...lines,
    ...legend,
  ]);
}

/** Horizontal bars from 0 to `limit`, one per entry, with its text at the end. */
export function barChart(
  title: string,
  bars: readonly { title: string; value: number; text: string }[],
  limit: number,
): string {
  if (bars.length === 0 || limit <= 0) return "";
  const row = 20;
  const left = 240;
  const full = width - left - 90;
  const shapes = bars.map(({ title: name, value, text }, index) => {
    const y = margin.top + index * row;
    const shown = name.length > 38 ? `…${name.slice(-37)}` : name;
    return (
      `<text x="${left - 8}" y="${y + 13}" text-anchor="end">${escapeHtml(shown)}</text>` +
      `<rect x="${left}" y="${y + 3}" width="${((full * value) / limit).toFixed(1)}" height="${row - 6}" fill="${colours[0]}"/>` +
      `<text x="${(left + (full * value) / limit + 6).toFixed(1)}" y="${y + 13}">${escapeHtml(text)}</text>`
    );
  });
  return frame(title, shapes, margin.top + bars.length * row + 8);
}

function frame(title: string, shapes: readonly string[], total = height): string {
  return (
    `<figure><figcaption>${escapeHtml(title)}</figcaption>` +
    `<svg viewBox="0 0 ${width} ${total}" width="${width}" height="${total}" role="img" aria-label="${escapeHtml(title)}">` +
    `${shapes.join("")}</svg></figure>`
  );
}

function horizontalTick(value: number, y: number): string {
  const at = y.toFixed(1);
  return (
    `<line x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}" stroke="#ddd"/>` +
    `<text x="${margin.left - 6}" y="${(y + 4).toFixed(1)}" text-anchor="end">${formatNumber(value)}</text>`
  );
}

function extent(values: readonly number[]): readonly [number, number] {
  const finite = values.filter(Number.isFinite);
  const low = finite.reduce((least, value) => Math.min(least, value), Infinity);
  const high = finite.reduce((most, value) => Math.max(most, value), -Infinity);
  return low < high ? [low, high] : [low - 0.5, low + 0.5];
}

/** A linear map from the domain to the range, and round values to mark on it. */
function scale(
  [low, high]: readonly [number, number],
  from: number,
  to: number,
): { at: (value: number) => number; ticks: number[] } {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const ticks: number[] = [];
  for (let index = Math.ceil(low / step); index * step <= high; index++) ticks.push(index * step);
  return { at: (value) => from + ((value - low) / (high - low)) * (to - from), ticks };
}
