import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, test, vi } from "vitest";
import { SaveClock } from "../../src/training/trainer/save-clock.ts";
import { stopOnAbort } from "../../src/training/process/stop-child.ts";

afterEach(() => void vi.useRealTimers());

test("a process that is blocked is killed within two seconds of being asked to stop", async () => {
  const blocked = "console.log(1); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)";
  const child = spawn(process.execPath, ["-e", blocked], { stdio: ["ignore", "pipe", "ignore"] });
  await once(child.stdout, "data");
  const asked = vi.fn();
  const stop = new AbortController();
  const watch = stopOnAbort(child, asked, stop.signal);
  const start = performance.now();
  stop.abort();
  expect(asked).toHaveBeenCalledOnce();
  expect(await once(child, "close")).toEqual([null, "SIGKILL"]);
  expect(performance.now() - start).toBeLessThan(2000);
  expect(watch.killed).toBe(true);
});

test("one that says it heard is waited for, and one that has ended is left alone", () => {
  vi.useFakeTimers();
  for (const answer of ["heard", "close"] as const) {
    const child = { kill: vi.fn() };
    const stop = new AbortController();
    const watch = stopOnAbort(child, () => undefined, stop.signal);
    stop.abort();
    vi.advanceTimersByTime(700);
    watch[answer]();
    vi.advanceTimersByTime(60_000);
    expect(child.kill).not.toHaveBeenCalled();
    expect(watch.killed).toBe(false);
  }
});

test("a run is saved every ten seconds, or as seldom as a fiftieth of the time allows", async () => {
  let time = 0;
  const clock = new SaveClock(() => time);
  expect(clock.isDue()).toBe(false);
  time = 10_000;
  expect(clock.isDue()).toBe(true);
  await clock.time(() => {
    time += 1000;
    return Promise.resolve();
  });
  time += 49_999;
  expect(clock.isDue()).toBe(false);
  time += 1;
  expect(clock.isDue()).toBe(true);
});
