import type { TrainingSection } from "../../report/report-data.ts";
import type { TrainProgress } from "../../training/trainer/events.ts";
import { openEventFile } from "./event-file.ts";

/** What writes a run to TensorBoard while it goes on, and what is known at its end. */
export interface TrainingFollower {
  progress(this: void, progress: TrainProgress): void;
  /** Learning rates and the rows that trained. `samples`: of one step. */
  end(section: TrainingSection): void;
}

/** Follows a run into a folder; undefined without one. Steps are those of the optimizer. */
export async function followTraining(folder: string | undefined): Promise<TrainingFollower | undefined> {
  if (folder === undefined) return undefined;
  const file = await openEventFile(folder);
  let looked = -1;
  return {
    progress({ step, loss, evaluation }) {
      file.add(step, { "train/loss": loss });
      if (evaluation === null || evaluation.step === looked) return;
      looked = evaluation.step;
      file.add(looked, {
        "held out/loss": evaluation.loss,
        "held out/top1": evaluation.accuracy ?? undefined,
        "held out/metric": evaluation.metric,
        "held out/gain": Number.isFinite(evaluation.gain.mean) ? evaluation.gain.mean : undefined,
      });
    },
    end({ rates = [], rowsOverTime, batch, validation }) {
      // The last look comes when there is no progress to tell of any more.
      for (const { samples, loss, accuracy, metric, gain } of validation)
        if (samples / batch > looked)
          file.add(samples / batch, {
            "held out/loss": loss,
            "held out/top1": accuracy,
            "held out/metric": metric,
            "held out/gain": gain,
          });
      for (const { samples, rate, scaleRate } of rates)
        file.add(samples / batch, { "learning rate/weights": rate, "learning rate/scales": scaleRate });
      for (const { weight, shares } of rowsOverTime?.layers ?? [])
        for (const [choice, share] of shares.entries())
          file.add((rowsOverTime?.samples[choice] ?? 0) / batch, { [`trained rows/${weight}`]: share });
    },
  };
}
