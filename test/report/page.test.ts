import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { renderHtml } from "../../src/report/render-html.ts";
import {
  chromiumPath,
  type Heard,
  measurePage,
  needsChromium,
  openBrowser,
  openPage,
} from "../support/open-browser.ts";
import { fullReport } from "./full-report.ts";

test("a page of a large model and a long run stays below 3 MB", () => {
  const html = renderHtml(fullReport({ layers: 1200, steps: 50_000, choices: 64 }));
  expect(html.length).toBeLessThan(3e6);
});

describe.skipIf(chromiumPath === undefined)(`the report in a browser (${needsChromium})`, () => {
  let folder: string;
  let browser: Browser;
  let url: string;
  const heard: Heard = { errors: [], requests: [] };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "efqat-page-"));
    const path = join(folder, "report.html");
    await writeFile(path, renderHtml(fullReport({ layers: 20, steps: 200, choices: 12 })));
    url = pathToFileURL(path).href;
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  test.each([320, 400, 1000, 1600])("at %d pixels all is within reach, light and dark", async (width) => {
    const grounds = new Set<string>();
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await openPage(browser, url, { width, colorScheme }, heard);
      for (const summary of await page.locator("summary").all()) await summary.click();
      const { over, background, contrast, least, unreachable } = await measurePage(page);
      expect(over).toBeLessThanOrEqual(0);
      expect(unreachable).toEqual([]);
      expect(contrast, least).toBeGreaterThanOrEqual(4.5);
      grounds.add(background);
      await page.close();
    }
    expect(grounds.size).toBe(2);
  });

  test("plots are drawn, names are text, and the reader's choice of colours holds", async () => {
    const page = await openPage(browser, url, { width: 1000, colorScheme: "light" }, heard);
    const boxes = await page.locator(".plot svg path, .plot svg polyline").all();
    expect(boxes.length).toBeGreaterThan(8);
    for (const each of boxes) expect((await each.boundingBox())?.width).toBeGreaterThan(1);
    expect(await page.locator("b").count()).toBe(0);
    const before = await measurePage(page);
    await page.getByLabel("dark").check();
    expect((await measurePage(page)).background).not.toBe(before.background);
    await page.close();
  });

  test("nothing is asked of a network and nothing goes to the console", () => {
    expect(heard.requests.filter((each) => !each.startsWith("file:"))).toEqual([]);
    expect(heard.errors).toEqual([]);
  });
});
