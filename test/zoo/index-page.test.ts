import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeResults } from "../../src/zoo/results/write-results.ts";
import { makeFailure, makeResult } from "./make-result.ts";

const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = process.env["EFQAT_CHROMIUM"] ?? browsers.find((path) => existsSync(path));

/** Needs Chromium (Debian: apt-get install chromium), or EFQAT_CHROMIUM with its path. */
describe.skipIf(executablePath === undefined)("the index in a browser", () => {
  let folder: string;
  let browser: Browser;
  const errors: string[] = [];
  const requests: string[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "efqat-index-"));
    const sizes = [3e6, 2e5, 1e9];
    const jobs = ["beta", "alpha", "gamma"].map((name, index) =>
      makeResult(name, { metrics: { ...makeResult(name).metrics, bytes: sizes[index] } }),
    );
    await writeResults(folder, [...jobs, makeFailure("delta", "model/cycle", "The graph is cyclic")]);
    await mkdir(join(folder, "jobs/beta"), { recursive: true });
    await writeFile(join(folder, "jobs/beta/report.html"), "<!doctype html><title>report of beta</title>");
    browser = await chromium.launch({ executablePath: executablePath as string, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  async function open(width: number, colorScheme: "light" | "dark"): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(pathToFileURL(join(folder, "index.html")).href);
    return page;
  }

  const names = (page: Page): Promise<string[]> =>
    page
      .locator("#jobs tbody tr:visible td:first-child")
      .allInnerTexts()
      .then((all) => all.map((text) => text.trim().split("\n").at(-1) as string));

  test("sorts by each column, up and down; what has no value stands last", async () => {
    const page = await open(1400, "light");
    await page.getByRole("button", { name: "Size", exact: true }).click();
    expect(await names(page)).toEqual(["alpha", "beta", "gamma", "delta"]);
    await page.getByRole("button", { name: "Size", exact: true }).click();
    expect(await names(page)).toEqual(["gamma", "beta", "alpha", "delta"]);
    await page.getByRole("button", { name: "Model", exact: true }).click();
    expect(await names(page)).toEqual(["alpha", "beta", "delta", "gamma"]);
    await page.close();
  });

  test("filters by text and by choice", async () => {
    const page = await open(1400, "dark");
    await page.getByLabel("Find").fill("am");
    expect(await names(page)).toEqual(["gamma"]);
    await page.getByLabel("Find").fill("");
    await page.getByLabel("Status").selectOption("failed");
    expect(await names(page)).toEqual(["delta"]);
    expect(await page.locator("#count").innerText()).toBe("1 shown");
    await page.close();
  });

  test("links lead to the reports", async () => {
    const page = await open(1400, "light");
    await page.getByRole("link", { name: "beta" }).click();
    await page.waitForLoadState();
    expect(await page.title()).toBe("report of beta");
    await page.close();
  });

  test.each([400, 1400])(
    "at %d pixels nothing is cut off, light and dark, and text stands out",
    async (width) => {
      const colours: string[] = [];
      for (const scheme of ["light", "dark"] as const) {
        const page = await open(width, scheme);
        const { over, contrast, background } = await page.evaluate(measurePage);
        expect(over).toBeLessThanOrEqual(0);
        expect(contrast).toBeGreaterThan(7);
        colours.push(background);
        await page.close();
      }
      expect(colours[0]).not.toBe(colours[1]);
    },
  );

  test("nothing is asked of a network and nothing goes to the console", () => {
    expect(requests.filter((url) => !url.startsWith("file:") && !url.startsWith("data:"))).toEqual([]);
    expect(errors).toEqual([]);
  });
});

/** In the page: pixels that it is wider than the window, and the contrast of its text (WCAG 2). */
const measurePage = `(() => {
  const { color, backgroundColor } = getComputedStyle(document.body);
  const light = (text) => {
    const [r, g, b] = text.match(/\\d+/g).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const both = [light(color), light(backgroundColor)];
  const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  return { over, contrast: Math.max(...both) / Math.min(...both), background: backgroundColor };
})()` as unknown as () => { over: number; contrast: number; background: string };
