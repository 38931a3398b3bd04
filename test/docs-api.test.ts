import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { renderApi } from "../scripts/docs/render-api.ts";

test("all that the library exports is documented, and docs/api.md is up to date (npm run docs)", async () => {
  const { text, warnings } = await renderApi();
  expect(warnings).toEqual([]);
  expect(text).toBe(readFileSync("docs/api.md", "utf8"));
}, 240_000);
