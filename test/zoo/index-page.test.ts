import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeResults } from "../../src/zoo/results/write-results.ts";
import {
  chromiumPath,
  type Heard,
  measurePage,
  needsChromium,
  openBrowser,
  openPage,
} from "../support/open-browser.ts";
import { makeFailure, makeResult } from "./make-result.ts";

describe.skipIf(chromiumPath === undefined)(`the index in a browser (${needsChromium})`, () => {
  let folder: string;
  let browser: Browser;
  const heard: Heard = { errors: [], requests: [] };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "efqat-index-"));
    const sizes = [3e6, 2e5, 1e9];
    const jobs = ["beta", "alpha", "gamma"].map((name, index) =>
      makeResult(name, { metrics: { ...makeResult(name).metrics, bytes: sizes[index] } }),
    );
    await writeResults(folder, [...jobs, makeFailure("delta", "model/cycle", "The graph is cyclic")]);
    await mkdir(join(folder, "jobs/beta"), { recursive: true });
    await writeFile(join(folder, "jobs/beta/report.html"), "<!doctype html><title>report of beta</title>");
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  const open = (width: number, colorScheme: "light" | "dark"): Promise<Page> =>
    openPage(browser, pathToFileURL(join(folder, "index.html")).href, { width, colorScheme }, heard);

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
        const { over, contrast, least, background, unreachable } = await measurePage(page);
        expect(over).toBeLessThanOrEqual(0);
        expect(unreachable).toEqual([]);
        expect(contrast, least).toBeGreaterThanOrEqual(4.5);
        colours.push(background);
        await page.close();
      }
      expect(colours[0]).not.toBe(colours[1]);
    },
  );

  test("nothing is asked of a network and nothing goes to the console", () => {
    expect(heard.requests.filter((url) => !url.startsWith("file:") && !url.startsWith("data:"))).toEqual([]);
    expect(heard.errors).toEqual([]);
  });
});
