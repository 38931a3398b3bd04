import { describe, expect, test } from "vitest";
import { renderHtml } from "../../src/report/render-html.ts";
import { renderText } from "../../src/report/render-text.ts";
import { renderJson, type Report, reportSchema } from "../../src/report/report-data.ts";
import { report } from "./small-report.ts";
import { renderTable } from "../../src/report/text-table.ts";
import { formatBytes, formatSeconds } from "../../src/report/format.ts";

test("JSON reports are checked: a report of another shape cannot be written", () => {
  expect(reportSchema.parse(JSON.parse(renderJson(report)))).toEqual(report);
  expect(() => renderJson({ ...report, seconds: NaN })).toThrow();
  expect(() => renderJson({ ...report, scores: [{ model: "float" }] } as unknown as Report)).toThrow();
});

describe("text", () => {
  test("shows the models side by side and only the columns there are", () => {
    const text = renderText(report);
    const lines = text.split("\n");
    expect(lines.find((line) => line.startsWith("float"))).toMatch(/94\.49 %\s+-\s+1\.10 MB\s+2\.00 ms\s+-$/);
    expect(lines.find((line) => line.startsWith("EfQAT"))).toMatch(
      /94\.00 %\s+21\.0 dB\s+328 kB\s+1\.00 ms\s+99\.00 %$/,
    );
    expect(text).not.toContain("top-5");
    expect(text).toContain("Warning: something odd");
    expect(text).toContain("(2.00x)");
    expect(text).toContain("LRN: no integer kernel (n&1)");
  });

  test("tells what crosses between workers, where there are several", () => {
    expect(renderText(report)).not.toContain("workers");
    const workers = { count: 2, sentPerStep: 57_896, receivedPerStep: 210_812, sentBeside: 291_601 };
    const training = report.training && { ...report.training, workers };
    const shared = { ...report, training };
    expect(renderText(shared)).toContain(
      "2 workers shared the steps, in each of which 211 kB of gradients and 57.9 kB of changes crossed between them.",
    );
    expect(renderHtml(shared)).toContain("by 2 workers (269 kB a step between them)");
    expect(reportSchema.parse(JSON.parse(renderJson(shared))).training?.workers).toEqual(workers);
  });

  test("a table aligns the first column left and the others right", () => {
    expect(
      renderTable([
        ["", "a"],
        ["long", "1"],
        ["x", "100"],
      ]),
    ).toBe("        a\n----  ---\nlong    1\nx     100");
  });

  test.each([
    [999, "999 B"],
    [1000, "1.00 kB"],
    [999_900, "1.00 MB"],
    [4.5e9, "4.50 GB"],
  ])("%d bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  test("durations", () => {
    expect(formatSeconds(7.25)).toBe("7.3 s");
    expect(formatSeconds(61)).toBe("1 min 1 s");
    expect(formatSeconds(299.7)).toBe("5 min 0 s");
    expect(formatSeconds(3720)).toBe("1 h 2 min");
  });
});

describe("HTML", () => {
  const html = renderHtml(report);

  test("loads nothing and escapes what comes out of the model", () => {
    expect(html).not.toMatch(/<script|<link|<img|https?:|src=|url\(/);
    expect(html).toContain("conv1.weight&lt;b&gt;");
    expect(html).toContain("n&amp;1");
  });

  test("draws losses, accuracies and changed rows within the picture", () => {
    const lines = [...html.matchAll(/points="([^"]+)"/g)].map(([, points]) => points?.split(" ") ?? []);
    expect(lines.map((points) => points.length)).toEqual([3, 2, 2]);
    for (const point of lines.flat()) {
      const [x = -1, y = -1] = point.split(",").map(Number);
      expect(x >= 64 && x <= 624 && y >= 16 && y <= 216).toBe(true);
    }
    expect(html).toContain("4 / 16");
    const widths = [...html.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
    expect((widths[1] as number) / (widths[0] as number)).toBeCloseTo(0.9 / 0.9449, 2);
  });

  test("is well-formed: every element that opens closes", () => {
    const open: string[] = [];
    for (const [, close, name, , self] of html.matchAll(/<(\/?)([a-z0-9]+)((?:"[^"]*"|[^">])*?)(\/?)>/g)) {
      if (name === "meta" || self === "/") continue;
      if (close === "/") expect(open.pop()).toBe(name);
      else open.push(name as string);
    }
    expect(open).toEqual([]);
  });
});
