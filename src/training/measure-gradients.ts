import type { Batch } from "../data/dataset.ts";
import type { Model } from "../ir/model.ts";
import { withSession } from "../runtime/open-model.ts";
import { type Session, type SessionOptions } from "../runtime/session.ts";
import { viewAs, type Tensor } from "../tensor/tensor.ts";
import type { TrainingStart } from "./artifact.ts";
import { targetsOf } from "./trainer/targets.ts";

/** Where the samples come from on which gradients are measured. */
export interface GradientSamples {
  /** The float model, which some losses compare with. */
  teacher: Model;
  /** Batches of the training graph's size. */
  batches: () => AsyncIterable<Batch>;
  session: SessionOptions;
}

/** Runs a training graph whose outputs are scalars from its start on some batches, and gives the mean of each output. */
export async function measureGradients(
  model: Model,
  { state, ...about }: TrainingStart,
  { teacher, batches, session: options }: GradientSamples,
): Promise<Map<string, number>> {
  const session = { ...options, memoryPattern: false, config: { "session.disable_quant_qdq": "1" } };
  const run = (judge: Session | undefined): Promise<Map<string, number>> =>
    withSession(model, session, async (training) => {
      const sums = new Map<string, number>();
      let count = 0;
      for await (const batch of batches()) {
        const feeds: Record<string, Tensor> = { ...batch.inputs, ...(await targetsOf(about, batch, judge)) };
        for (const { name } of training.inputs) feeds[name] ??= state.get(name) as Tensor;
        const found = await training.run(feeds);
        count++;
        for (const [name, value] of Object.entries(found))
          sums.set(name, (sums.get(name) ?? 0) + (viewAs(value, "float32")[0] as number));
      }
      return new Map(Array.from(sums, ([name, sum]) => [name, sum / count]));
    });
  const taught = about.targets.some(({ source }) => source.from === "teacher");
  return taught ? withSession(teacher, options, run) : run(undefined);
}
