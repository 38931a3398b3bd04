import { formatNumber, formatPercent } from "./format.ts";
import { figure, shorten, text, width } from "./svg.ts";

const [left, top, right] = [240, 12, width - 16];
/** Steps of the shading: cells of one step in a row are one shape, so that a map of many cells stays small. */
const levels = 10;

/** Shares from 0 to 1, one row of cells for each name and one column for each place on the horizontal axis, darker where larger. */
export function heatMap(
  title: string,
  xs: readonly number[],
  rows: readonly { name: string; shares: readonly number[] }[],
): string {
  if (xs.length === 0 || rows.length === 0) return "";
  const height = rows.length > 60 ? 8 : 16;
  const cell = (right - left) / xs.length;
  const bottom = top + rows.length * height;
  const paths = Array.from({ length: levels + 1 }, () => "");
  rows.forEach(({ shares }, row) => {
    for (let start = 0, end = 1; end <= shares.length; end++) {
      const level = levelOf(shares[start] as number);
      if (end < shares.length && levelOf(shares[end] as number) === level) continue;
      const x = (left + start * cell).toFixed(1);
      paths[level] += `M${x} ${top + row * height}h${((end - start) * cell).toFixed(1)}v${height - 1}H${x}z`;
      start = end;
    }
  });
  const shapes = [
    `<rect class="ground" x="${left}" y="${top}" width="${right - left}" height="${bottom - top}"/>`,
    ...paths.flatMap((path, level) =>
      path === "" || level === 0
        ? []
        : [`<path class="area series0" fill-opacity="${level / levels}" d="${path}"/>`],
    ),
    ...rows.flatMap(({ name }, row) =>
      rows.length > 60 && row % 2 === 1
        ? []
        : [text(left - 8, top + row * height + height - 4, shorten(name, 34), "end")],
    ),
    text(left, bottom + 18, formatNumber(xs[0], 7), "start"),
    text(right, bottom + 18, formatNumber(xs.at(-1), 7), "end"),
    text((left + right) / 2, bottom + 18, "samples seen at the choice of rows", "middle"),
    text(
      (left + right) / 2,
      bottom + 36,
      `none (pale) to ${formatPercent(1)} of a layer's rows (full colour)`,
      "middle",
    ),
  ];
  return figure(title, shapes, bottom + 46);
}

const levelOf = (share: number): number => (share <= 0 ? 0 : Math.max(1, Math.round(share * levels)));
