import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";

const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Chromium, where there is one (Debian: apt-get install chromium), or what EFQAT_CHROMIUM names. */
export const chromiumPath = process.env["EFQAT_CHROMIUM"] ?? places.find((path) => existsSync(path));

/** What titles of tests in a browser say, which are left out without one. */
export const needsChromium = "needs Chromium: apt-get install chromium, or EFQAT_CHROMIUM with its path";

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath as string, args: ["--no-sandbox"] });

/** What a page asked for and complained of. */
export interface Heard {
  errors: string[];
  requests: string[];
}

/** A page of a size and colours, of which all requests and messages are noted. */
export async function openPage(
  browser: Browser,
  url: string,
  { width, colorScheme }: { width: number; colorScheme: "light" | "dark" },
  heard: Heard,
): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") heard.errors.push(message.text());
  });
  page.on("pageerror", (error) => heard.errors.push(error.message));
  page.on("request", (request) => heard.requests.push(request.url()));
  await page.goto(url);
  return page;
}

/** What `measurePage` finds. */
export interface PageMeasures {
  /** Pixels that the page is wider than the window. */
  over: number;
  background: string;
  /** The least contrast of a text with what is behind it (WCAG 2), and that text. */
  contrast: number;
  least: string;
  /** Tables and plots that are wider than the page and cannot be scrolled to their end, and texts that a plot cuts off. */
  unreachable: string[];
}

/** Measures a page, in it: all texts are looked at, those of pictures too, and every wide part is scrolled to its end. */
export const measurePage = (page: Page): Promise<PageMeasures> => page.evaluate(measure);

const measure = `(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  let contrast = Infinity, least = "";
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (!own || ["STYLE", "SCRIPT"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const both = [light(element.namespaceURI.endsWith("svg") ? style.fill : style.color), light(behind(element))];
    const found = Math.max(...both) / Math.min(...both);
    if (found < contrast) [contrast, least] = [found, element.textContent.slice(0, 60)];
  }
  const unreachable = [];
  for (const part of document.querySelectorAll(".wide, .plot, pre")) {
    if (part.offsetParent === null) continue;
    part.scrollLeft = 1e6;
    const box = part.getBoundingClientRect();
    const inner = part.firstElementChild?.getBoundingClientRect() ?? box;
    if (box.right > document.documentElement.clientWidth + 1 || inner.right > box.right + 1)
      unreachable.push(part.textContent.slice(0, 60));
    part.scrollLeft = 0;
  }
  for (const text of document.querySelectorAll("svg text")) {
    const [box, whole] = [text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect()];
    if (box.width > 0 && (box.left < whole.left - 1 || box.right > whole.right + 1)) unreachable.push(text.textContent);
  }
  return {
    over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    background: getComputedStyle(document.body).backgroundColor, contrast, least, unreachable,
  };
})()` as unknown as () => PageMeasures;
