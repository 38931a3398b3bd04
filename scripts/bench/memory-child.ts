/** Takes a few training steps of a network at one ratio in a process of its own and prints that process's peak memory. */
import { peakMemory } from "../../src/runtime/peak-memory.ts";
import { benchModels, forwards, openCase } from "./bench-case.ts";
import { openStepTimer } from "./time-steps.ts";

const [name, wanted, ratio, threads] = process.argv.slice(2);
const model = benchModels.find((candidate) => candidate.name === name);
const forward = forwards.find((candidate) => candidate === wanted);
if (model === undefined || forward === undefined) throw new Error(`no ${String(name)} ${String(wanted)}`);
const bench = await openCase(model, forward);
const timer = await openStepTimer(bench, [Number(ratio)], Number(threads));
for (let step = 0; step < 3; step++) for (const { contestant } of timer.steps) await contestant.once();
await timer.close();
console.log(JSON.stringify({ peakBytes: peakMemory() }));
