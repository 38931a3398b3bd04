import { describe, expect, test } from "vitest";
import { divisorsOf, fitMicroBatch } from "../../src/workflows/fit-micro-batch.ts";

describe("the micro-batch for a limit", () => {
  const built: number[] = [];
  const fit = async (batch: number, limit: number): Promise<number> => {
    built.length = 0;
    const build = (microBatch: number) => {
      built.push(microBatch);
      const bytes = 1e8 + 2e6 * microBatch + 1e5 * (microBatch % 3);
      const memory = bytes <= limit ? { bytes, fits: true as const } : { fits: false as const };
      return Promise.resolve({ microBatch, memory });
    };
    return (await fitMicroBatch(divisorsOf(batch), { bytes: limit, asked: true }, build)).microBatch;
  };

  test.each([
    [64, 1e9, 64],
    [64, 1.7e8, 32],
    [64, 1.04e8, 1],
    [96, 2e8, 48],
    [7, 1.1e8, 1],
  ])("batch %d, limit %d bytes: %d", async (batch, limit, expected) => {
    expect(await fit(batch, limit)).toBe(expected);
    expect(built.length).toBeLessThanOrEqual(6);
  });

  test("none fits: the error says with how many samples, and what may be used", async () => {
    await expect(fit(64, 9e7)).rejects.toMatchObject({
      code: "usage/memory-limit",
      where: "--memory-limit",
      message: expect.stringMatching(/more than 90.0 MB of memory with one sample at a time/) as string,
    });
    expect(built).toEqual([64, 1]);
  });
});
