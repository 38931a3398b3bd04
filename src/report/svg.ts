import { escapeHtml } from "./escape-html.ts";

/** Colours of pictures that are files of their own; a page has its own, by class. */
export const colours = ["#1b6ca8", "#c8553d", "#588157"] as const;
export const width = 720;

/** An image with its title above it, for a page, whose style gives the colours; it scrolls where the page is narrow. */
export function figure(title: string, shapes: readonly string[], height: number): string {
  const picture = svg(title, shapes.join(""), height, { size: 13, fill: "currentColor" });
  return `<figure><figcaption>${escapeHtml(title)}</figcaption><div class="plot" tabindex="0">${picture}</div></figure>`;
}

/** An image as a file of its own, on white, with its title. */
export function svgFile(title: string, shapes: readonly string[], height: number): string {
  const band = 28;
  const lines = [
    `<rect width="${width}" height="${height + band}" fill="#fff"/>`,
    `<text x="16" y="${band - 8}" font-size="14" font-weight="600">${escapeHtml(title)}</text>`,
    `<g transform="translate(0 ${band})">`,
    ...shapes,
    "</g>",
  ];
  const how = { size: 11, fill: "#444", namespace: 'xmlns="http://www.w3.org/2000/svg" ' };
  return `${svg(title, `\n${lines.join("\n")}\n`, height + band, how)}\n`;
}

/** Text at a place. The result is markup: `content` is made safe here. */
export function text(x: number, y: number, content: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escapeHtml(content)}</text>`;
}

/** An image with a text alternative. */
function svg(
  title: string,
  body: string,
  height: number,
  { size, fill, namespace = "" }: { size: number; fill: string; namespace?: string },
): string {
  return (
    `<svg ${namespace}viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `font-family="system-ui, sans-serif" font-size="${size}" fill="${fill}" role="img" aria-label="${escapeHtml(title)}">` +
    `${body}</svg>`
  );
}

/** The end of a name that is too long for its place. */
export const shorten = (name: string, length: number): string =>
  name.length > length ? `…${name.slice(1 - length)}` : name;
