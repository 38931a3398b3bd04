import { escapeHtml } from "./escape-html.ts";
import type { LayerwiseSection } from "./report-data.ts";

type Histogram = LayerwiseSection["weights"][number]["histogram"];

const [width, height] = [160, 32];

/** How often values occur, on a logarithmic scale of counts; the ground is darker where codes hold them. */
export function histogramChart(
  title: string,
  { from, width: step, counts }: Histogram,
  range: readonly [number, number],
): string {
  const to = from + step * counts.length;
  const [low, high] = [Math.min(from, range[0]), Math.max(to, range[1])];
  const x = (value: number): number => ((value - low) / Math.max(high - low, Number.MIN_VALUE)) * width;
  const most = Math.log1p(counts.reduce((largest, count) => Math.max(largest, count), 1));
  const outline = counts
    .map((count, bin) => {
      const y = height - (Math.log1p(count) / most) * (height - 2);
      return `V${y.toFixed(1)}H${x(from + (bin + 1) * step).toFixed(1)}`;
    })
    .join("");
  const held = `<rect class="ground" x="${x(range[0]).toFixed(1)}" y="0" width="${(x(range[1]) - x(range[0])).toFixed(1)}" height="${height}"/>`;
  return (
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}" preserveAspectRatio="none">${held}` +
    `<path class="area series0" d="M${x(from).toFixed(1)} ${height}${outline}V${height}z"/></svg>`
  );
}
