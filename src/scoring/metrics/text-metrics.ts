import type { OutputFacts } from "../../ir/output-kinds.ts";
import { readNumbers } from "../../tensor/read-numbers.ts";
import { floats, type Tensor } from "../../tensor/tensor.ts";
import type { Metric } from "./metric.ts";
import { classesAt } from "./places.ts";

/** How an output is read as text. */
export interface TextOutput extends Pick<OutputFacts, "name" | "kind" | "shape" | "classAxis"> {
  /** The class that stands between characters, of outputs that are scores; undefined where they are token ids. */
  blank: number | undefined;
  /** The axis of samples of scores: 1 where the steps come first. */
  samplesAxis: 0 | 1;
  /** What each class stands for; without it, classes are characters themselves. */
  characters: readonly string[] | undefined;
  /** An array of token ids [samples, length], below zero behind the end; undefined: what the float model reads. */
  target: string | undefined;
}

/** Edits between what is read and what is there, and the length of the latter. */
interface Edits {
  edits: number;
  length: number;
}

/** Edits over length, of characters, or of words (between spaces) with `words`. */
export function errorRate(name: string, output: TextOutput, { words }: { words: boolean }): Metric<Edits> {
  const split = (ids: readonly number[]): readonly (number | string)[] => {
    if (!words) return ids;
    const text = ids.map((id) => output.characters?.[id] ?? "").join("");
    return text.split(/\s+/).filter((word) => word !== "");
  };
  const { target } = output;
  return {
    name,
    better: "lower",
    outputs: [output.name],
    fromFloat: target === undefined,
    arrays: target === undefined ? [] : [target],
    measure({ size, outputs, reference, targets }) {
      const found = readText(outputs[output.name] as Tensor, output, size);
      const wanted =
        target === undefined
          ? readText(reference?.[output.name] as Tensor, output, size)
          : readIds(targets?.[target] as Tensor, size);
      return found.map((ids, sample) => {
        const [own, there] = [split(ids), split(wanted[sample] ?? [])];
        return { edits: editDistance(own, there), length: there.length };
      });
    },
    combine(entries) {
      const edits = entries.reduce((sum, entry) => sum + entry.edits, 0);
      const length = entries.reduce((sum, entry) => sum + entry.length, 0);
      return length === 0 ? (edits === 0 ? 0 : 1) : edits / length;
    },
  };
}

/** The text of each sample: token ids as they are, or the best class at each step, repeats and blanks left out (CTC). */
function readText(tensor: Tensor, output: TextOutput, size: number): number[][] {
  const { blank } = output;
  if (blank === undefined) return readIds(tensor, size);
  const scores = output.samplesAxis === 0 ? tensor : samplesFirst(tensor);
  return classesAt(scores, { ...output, threshold: 0 }, size).map((steps) => {
    const best = steps.map(([first = blank]) => first);
    return best.filter((label, step) => label !== blank && label !== best[step - 1]);
  });
}

/** Scores [steps, samples, classes] as [samples, steps, classes]. */
function samplesFirst(tensor: Tensor): Tensor {
  const values = readNumbers(tensor);
  const [steps = 0, samples = 0, classes = 0] = tensor.dims;
  const moved = new Float32Array(values.length);
  for (let sample = 0; sample < samples; sample++)
    for (let step = 0; step < steps; step++) {
      const from = (step * samples + sample) * classes;
      moved.set(values.subarray(from, from + classes), (sample * steps + step) * classes);
    }
  return floats(moved, [samples, steps, classes]);
}

function readIds(tensor: Tensor, size: number): number[][] {
  const values = readNumbers(tensor);
  const width = values.length / size;
  return Array.from({ length: size }, (_, sample) =>
    [...values.subarray(sample * width, (sample + 1) * width)].filter((id) => id >= 0),
  );
}

/** Fewest insertions, deletions and replacements that make one list of the other (Levenshtein). */
export function editDistance(a: readonly unknown[], b: readonly unknown[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [index, own] of a.entries()) {
    const next = [index + 1];
    for (const [at, other] of b.entries()) {
      const replaced = (row[at] as number) + (own === other ? 0 : 1);
      next.push(Math.min(replaced, (row[at + 1] as number) + 1, (next[at] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
