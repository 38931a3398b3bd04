import { expect, test } from "vitest";
import { createLogger } from "../src/cli/logger.ts";
import { describeError } from "../src/cli/show-error.ts";
import { modelError, severalErrors } from "../src/errors.ts";
import { printable } from "../src/printable.ts";
import { renderHtml } from "../src/report/render-html.ts";
import { renderText } from "../src/report/render-text.ts";
import type { Report } from "../src/report/report-data.ts";

const evil = "a\u001b[2J\nb\r\u202ec\u0000\u009b31m<script>alert(1)</script>";
const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

test("controls, marks of direction and halves of characters are spelt; everything else stays", () => {
  expect(printable("a\u001b[2J\nb\t\u202e\ud800.\ufeff")).toBe("a\\u001b[2J\\nb\\t\\u202e\\ud800.\\ufeff");
  expect(printable("größe 层 🙂 — 'x'")).toBe("größe 层 🙂 — 'x'");
});

test("names reach no terminal and no page as they are", () => {
  const report: Report = {
    formatVersion: 1,
    tool: { name: "efqat", version: "0", runtime: "0", node: "0" },
    command: "inspect",
    options: { model: evil },
    model: {
      path: evil,
      sha256: "0",
      bytes: 1,
      producer: evil,
      opset: 17,
      nodes: 1,
      parameters: 1,
      inputs: [{ name: evil, type: "float32", shape: [evil] }],
      outputs: [{ name: evil, type: "float32", shape: [1] }],
      operators: { [evil]: 1 },
    },
    seconds: 1,
    support: [{ node: evil, op: evil, reason: evil }],
    warnings: [evil],
  };
  const text = renderText(report);
  expect(text).toContain("a\\u001b[2J\\nb\\r\\u202ec");
  expect(text).not.toMatch(unsafe);
  const html = renderHtml(report);
  expect(html).not.toMatch(unsafe);
  expect(html).not.toContain("<script>");
  let shown = "";
  const logger = createLogger({ write: (part) => (shown += part) }, { quiet: false, verbose: true });
  logger.debug(evil);
  logger.info(evil);
  logger.warn(evil);
  logger.progress(evil, 1, 2, evil);
  logger.close();
  const error = modelError("x", evil, evil, evil);
  const options = { stack: false, aborted: false };
  shown += describeError(error, options).text + describeError(severalErrors([error, error]), options).text;
  shown += describeError(new Error(evil), options).text;
  expect(shown).not.toMatch(unsafe);
  expect(shown.split("\n").filter((line) => line.startsWith("b"))).toEqual([]);
});
