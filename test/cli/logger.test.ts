import { describe, expect, test } from "vitest";
import { createLogger } from "../../src/cli/logger.ts";
import { TimeLeft } from "../../src/cli/time-left.ts";

function capture(isTTY: boolean, options = {}) {
  const stream = {
    text: "",
    isTTY,
    write: (part: string) => (stream.text += part),
    cursorTo: () => true,
    clearLine: () => true,
  };
  return { stream, logger: createLogger(stream, { quiet: false, verbose: false, ...options }) };
}

describe("createLogger", () => {
  test("writes plain lines where there is no terminal, few per stage, the last one always", () => {
    const { stream, logger } = capture(false);
    for (let done = 1; done <= 1000; done++) logger.progress("train", done, 1000, `loss ${1000 - done}`);
    logger.progress("evaluate", 1, 0);
    const lines = stream.text.trim().split("\n");
    expect(lines[0]).toBe("train 1/1000 loss 999");
    expect(lines.at(-2)).toBe("train 1000/1000 loss 0");
    expect(lines.at(-1)).toBe("evaluate 1");
    expect(lines.length).toBeLessThan(10);
  });

  test("draws a bar on a terminal, and messages get a line of their own", () => {
    const { stream, logger } = capture(true);
    logger.progress("train", 1, 4, "loss 2");
    logger.warn("hot");
    logger.progress("train", 4, 4, "loss 1");
    logger.close();
    expect(stream.text).toContain("train ");
    expect(stream.text).toContain("loss 2");
    expect(stream.text).toMatch(/\nWarning: hot\n/);
    expect(stream.text.match(/█/g)?.length).toBeGreaterThanOrEqual(30);
  });

  test("foretells how long a stage still takes", () => {
    let now = 0;
    const left = new TimeLeft(() => now);
    expect(left.after("train", 10, 100)).toBe("");
    now = 1000;
    expect(left.after("train", 20, 100)).toBe("");
    now = 3000;
    expect(left.after("train", 40, 100)).toBe("6 s left");
    now = 30_000;
    expect(left.after("train", 41, 100)).toBe("58 s left");
    now = 300_000;
    expect(left.after("train", 42, 100)).toBe("10 min left");
    expect(left.after("train", 100, 100)).toBe("");
    // Another stage starts over, and so does the same one when it runs again.
    expect(left.after("evaluate", 50, 100)).toBe("");
    now += 4000;
    expect(left.after("evaluate", 60, 100)).toBe("16 s left");
    expect(left.after("evaluate", 10, 100)).toBe("");
  });

  test("--quiet leaves only warnings, --verbose adds details", () => {
    const quiet = capture(false, { quiet: true });
    quiet.logger.info("a");
    quiet.logger.progress("train", 1, 2);
    quiet.logger.warn("b");
    expect(quiet.stream.text).toBe("Warning: b\n");
    const verbose = capture(false, { verbose: true });
    verbose.logger.debug("c");
    expect(verbose.stream.text).toBe("c\n");
  });
});
