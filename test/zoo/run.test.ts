import { describe, expect, test } from "vitest";
import { Admission } from "../../src/zoo/run/admission.ts";
import { causeOfEnd, isTransient, waitBefore } from "../../src/zoo/run/judge-end.ts";
import type { ProcessEnd } from "../../src/zoo/process/run-process.ts";

describe("what runs next", () => {
  const jobs = (...sizes: number[]) => sizes.map((memoryBytes) => ({ memoryBytes }));

  test("as many as slots and memory allow; what is larger than all memory runs alone", () => {
    const waiting = jobs(6, 5, 3, 20);
    const admission = new Admission({ slots: 2, memoryBytes: 10 });
    const first = admission.next(waiting);
    expect(first?.memoryBytes).toBe(6);
    const second = admission.next(waiting);
    expect(second?.memoryBytes).toBe(3);
    expect(admission.next(waiting)).toBeUndefined();
    admission.release(first!);
    expect(admission.next(waiting)?.memoryBytes).toBe(5);
    admission.release(second!);
    expect(admission.next(waiting)).toBeUndefined();
  });

  test("a large one is not overtaken for ever", () => {
    const waiting = jobs(9, ...Array<number>(40).fill(1));
    const admission = new Admission({ slots: 2, memoryBytes: 10 });
    let last = { memoryBytes: 2 };
    admission.next([last]);
    let before = 0;
    for (; before < 40; before++) {
      const next = admission.next(waiting);
      if (next?.memoryBytes === 9) break;
      admission.release(last);
      if (next !== undefined) last = next;
    }
    expect(before).toBeLessThan(12);
  });
});

describe("why a process ended", () => {
  const end = (more: Partial<ProcessEnd>): ProcessEnd => ({
    kind: "exit",
    code: 0,
    signal: undefined,
    seconds: 1,
    peakBytes: 3e9,
    output: "",
    ...more,
  });
  const limits = { time: 60, memory: 2e9 };

  test.each<[Partial<ProcessEnd>, string | undefined, boolean]>([
    [{}, undefined, false],
    [{ kind: "time", code: undefined }, "job/time", false],
    [{ kind: "memory", code: undefined }, "job/memory", false],
    [{ kind: "signal", signal: "SIGKILL" }, "job/killed", true],
    [{ kind: "signal", signal: "SIGSEGV" }, "job/crashed", false],
    [{ kind: "failed-start", output: "spawn EAGAIN" }, "job/start", true],
    [{ code: 3 }, "internal", false],
  ])("%j: %s", (more, code, transient) => {
    const cause = causeOfEnd(end(more), undefined, limits);
    expect(cause?.code).toBe(code);
    if (cause !== undefined) expect(isTransient(cause)).toBe(transient);
  });

  test("a report's error is the cause; waits double", () => {
    const error = { code: "environment/in-use", what: "busy", exitCode: 4 };
    const cause = causeOfEnd(end({ code: 4 }), error, limits);
    expect(cause).toEqual({ code: "environment/in-use", what: "busy" });
    expect(cause !== undefined && isTransient(cause)).toBe(true);
    expect([2, 3, 4, 20].map(waitBefore)).toEqual([1, 2, 4, 60]);
  });
});
