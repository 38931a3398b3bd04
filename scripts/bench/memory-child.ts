/** Takes a few training steps of a network at one ratio in a process of its own and prints that process's peak memory. */
import { peakMemory } from "../../src/runtime/peak-memory.ts";
import { openCase, tunedRatio } from "./bench-case.ts";
import { benchModel } from "./bench-models.ts";
import { forwards } from "./results.ts";
import { openStepTimer } from "./time-steps.ts";

const [name = "", wanted, ratio, threads] = process.argv.slice(2);
const forward = forwards.find((candidate) => candidate === wanted);
if (forward === undefined) throw new Error(`no forward is called ${String(wanted)}`);
const bench = await openCase(benchModel(name), forward, tunedRatio(Number(ratio)));
const timer = await openStepTimer(bench, [Number(ratio)], Number(threads));
for (let step = 0; step < 3; step++) for (const { contestant } of timer.steps) await contestant.once();
await timer.close();
console.log(JSON.stringify({ peakBytes: peakMemory() }));
