import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Tensor, tensorOf } from "../../../src/tensor/tensor.ts";
import { readManifest } from "../../../src/training/artifact/files.ts";
import type { Manifest } from "../../../src/training/artifact/manifest.ts";
import { loadSafetensors } from "../../../src/training/checkpoint/files.ts";
import { defaultTrainOptions } from "../../../src/training/train.ts";
import { closeGraphs, openSideGraphs } from "../../../src/training/sessions/graphs.ts";
import { FittedGraph } from "../../../src/training/sessions/fitted-graph.ts";
import { loadProgress } from "../../../src/training/trainer/run-checkpoint.ts";
import { Stepper } from "../../../src/training/trainer/step.ts";
import { type Contestant, interleave, median } from "../interleave.ts";
import { choices, nameOf, type Setting, settingName } from "./grid.ts";
import { artifactOf, runOf } from "./run.ts";

/** Milliseconds of a training step (gradients, optimizer, state) of every choice that was run, timed in turn. */
export async function timeChoices(
  out: string,
  setting: Setting,
  { rounds, threads }: { rounds: number; threads: number },
): Promise<Map<string, number>> {
  const directory = artifactOf(out, setting);
  const manifest = await readManifest(directory);
  const options = { ...defaultTrainOptions, threads };
  const data = dataFor(manifest);
  const contestants: Contestant[] = [];
  const closing: (() => Promise<void>)[] = [];
  for (const choice of choices) {
    const run = runOf(out, setting, choice);
    if (!existsSync(join(run, "checkpoint.safetensors"))) continue;
    const { tensors: state } = await loadSafetensors(join(run, "checkpoint.safetensors"));
    const { refreshes } = (await loadProgress(run)).history;
    const graphs = await openSideGraphs(directory, manifest, options);
    const fitted = new FittedGraph(directory, manifest, options);
    const still = await fitted.fit(state, refreshes.at(-1)?.first ?? null, Infinity);
    const stepper = new Stepper(manifest, graphs, {});
    stepper.use(fitted.session, still, fitted.backwardWeights);
    contestants.push({
      name: nameOf(choice),
      once: async () => {
        await stepper.run(state, [data], 1e-6);
        return undefined;
      },
    });
    closing.push(
      () => closeGraphs(graphs),
      () => fitted.release(),
    );
  }
  const times = await interleave(contestants, rounds);
  for (const close of closing) await close();
  console.log(`${settingName(setting)}: ${contestants.length} choices timed`);
  return new Map(Array.from(times, ([name, each]) => [name, median(each)]));
}

/** A batch of constant inputs and targets, on which a step takes as long as on any other. */
function dataFor({ inputs, targets, batch }: Manifest): Record<string, Tensor> {
  return Object.fromEntries(
    [...inputs, ...targets].map(({ name, type, shape }) => {
      const dims = shape.map((dim) => (typeof dim === "number" ? dim : batch));
      const count = dims.reduce((product, dim) => product * dim, 1);
      const values =
        type === "int64"
          ? tensorOf("int64", dims, new BigInt64Array(count))
          : tensorOf(
              "float32",
              dims,
              Float32Array.from({ length: count }, (_, i) => Math.sin(i)),
            );
      return [name, values];
    }),
  );
}
