/** Takes a few training steps of a network at one ratio in a process of its own and prints that process's peak memory. */
import { peakMemory } from "../../src/runtime/peak-memory.ts";
import { openCase, tunedRatio } from "./bench-case.ts";
import { benchModel } from "./bench-models.ts";
import { arithmetics } from "./results.ts";
import { openStepTimer } from "./time-steps.ts";

const [name = "", wanted, ratio, threads] = process.argv.slice(2);
const arithmetic = arithmetics.find((candidate) => candidate === wanted);
if (arithmetic === undefined) throw new Error(`no arithmetic is called ${String(wanted)}`);
const bench = await openCase(benchModel(name), arithmetic, tunedRatio(Number(ratio)));
const timer = await openStepTimer(bench, [Number(ratio)], Number(threads));
for (let step = 0; step < 3; step++) for (const { contestant } of timer.steps) await contestant.once();
await timer.close();
console.log(JSON.stringify({ peakBytes: peakMemory() }));
