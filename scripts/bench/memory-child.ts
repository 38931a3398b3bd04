/** Takes a few training steps of a network at one ratio in a process of its own and prints that process's peak memory. */
import { benchModels, prepareCase } from "./bench-case.ts";
import { openStepTimer } from "./time-steps.ts";

const [name, ratio, threads] = process.argv.slice(2);
const model = benchModels.find((candidate) => candidate.name === name);
if (model === undefined) throw new Error(`no benchmark model is called ${String(name)}`);
const bench = await prepareCase(model, { reuse: true });
if (typeof bench === "string") throw new Error(bench);
const timer = await openStepTimer(bench, [Number(ratio)], Number(threads));
for (let step = 0; step < 3; step++) for (const { contestant } of timer.steps) await contestant.once();
await timer.close();
console.log(JSON.stringify({ peakBytes: process.resourceUsage().maxRSS * 1024 }));
