import { figure, shorten, text, width } from "./svg.ts";

const left = 240;
const top = 16;
const rowHeight = 20;

/** Horizontal bars from 0 to `limit`, one per entry, with its text at the end. */
export function barChart(
  title: string,
  bars: readonly { title: string; value: number; text: string }[],
  limit: number,
): string {
  if (bars.length === 0 || limit <= 0) return "";
  const full = width - left - 90;
  const shapes = bars.map(({ title: name, value, text: label }, index) => {
    const y = top + index * rowHeight;
    const length = (full * value) / limit;
    return (
      text(left - 8, y + 14, shorten(name, 34), "end") +
      `<rect x="${left}" y="${y + 3}" width="${length.toFixed(1)}" height="${rowHeight - 6}" class="area series0"/>` +
      text(left + length + 6, y + 14, label, "start")
    );
  });
  return figure(title, shapes, top + bars.length * rowHeight + 8);
}
