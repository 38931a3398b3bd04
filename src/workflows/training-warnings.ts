import type { Manifest } from "../training/artifact/manifest.ts";
import type { History } from "../training/trainer/events.ts";

/** The output that an artifact is trained on, where its loss looks at one alone; results are judged by it, too. */
export function lossOutput({ loss }: Manifest): string | undefined {
  const outputs = new Set(loss.terms.map(({ output }) => output));
  return outputs.size === 1 ? [...outputs][0] : undefined;
}

/** What a training run did not bring. `changed`: rows of which a code changed, by weight. */
export function trainingWarnings(history: History, changed: ReadonlyMap<string, number>): string[] {
  if (history.steps === 0) return [];
  if (history.heldOut === 0) {
    return [
      "No samples were held out of training, so the last state was kept, be it better than the start or not; give --val a number of samples.",
    ];
  }
  if (history.bestStep === 0) return [keptStart(history)];
  const rows = [...changed.values()].reduce((sum, count) => sum + count, 0);
  return rows > 0
    ? []
    : ["Training changed no integer code of any weight: only scales, zero points and biases moved."];
}

/** Why the start was kept, with the most that any look at the held-out samples found. */
function keptStart({ evaluations, heldOut }: History): string {
  const start = evaluations[0]?.loss ?? NaN;
  const best = evaluations
    .slice(1)
    .reduce<(typeof evaluations)[number] | undefined>(
      (least, each) => (least === undefined || each.loss < least.loss ? each : least),
      undefined,
    );
  const samples = `${heldOut} held-out ${heldOut === 1 ? "sample" : "samples"}`;
  const advice =
    heldOut < 30
      ? " Hold out more samples with --val, train longer (--epochs) or with another rate (--lr)."
      : " Train longer (--epochs) or with another rate (--lr).";
  const kept = "so the model as it was before training, post-training quantization, is what was kept.";
  if (best === undefined) return `No trained state was compared on the ${samples}, ${kept}${advice}`;
  if (best.loss === start) return `Training changed nothing on the ${samples}, ${kept}${advice}`;
  const { mean, error } = best.gain;
  const range = error === null ? "" : ` ± ${(2 * error).toPrecision(2)}`;
  return `No trained state is better than the start beyond chance on the ${samples} (loss ${start.toPrecision(4)}, at best lower by ${mean.toPrecision(2)}${range}), ${kept}${advice}`;
}
