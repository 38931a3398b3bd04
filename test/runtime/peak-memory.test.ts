import { execa } from "execa";
import { expect, test } from "vitest";
import { peakMemory } from "../../src/runtime/peak-memory.ts";

const megabyte = 2 ** 20;

test("the peak counts what is held", () => {
  const before = peakMemory();
  expect(before).toBeGreaterThan(10 * megabyte);
  const held = Buffer.alloc(before + 64 * megabyte, 1);
  expect(peakMemory()).toBeGreaterThan(held.length);
});

test.runIf(process.platform === "linux")("a process does not count what its parent held", async () => {
  const held = Buffer.alloc(512 * megabyte, 1);
  const print = `import { peakMemory } from "./src/runtime/peak-memory.ts"; console.log(peakMemory());`;
  const child = await execa(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", print]);
  expect(Number(child.stdout)).toBeGreaterThan(10 * megabyte);
  expect(Number(child.stdout)).toBeLessThan(held.length);
});
