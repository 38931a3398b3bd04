import { dataError } from "../../errors.ts";
import { readNumbers } from "../../tensor/read-numbers.ts";
import type { Metric, MetricBatch } from "./metric.ts";
import { type ClassOutput, classesAt, isBinary } from "./places.ts";

/** Where the wanted classes come from. */
export interface ClassTarget {
  /** "labels", an array of the data, or undefined for the float model's own choice. */
  target: string | undefined;
}

/** Wanted classes at every place of each sample; below zero, and 255 of bytes, they do not count. */
function wantedClasses(batch: MetricBatch, output: ClassOutput, { target }: ClassTarget): Int32Array[] {
  if (target === "labels") return Array.from(batch.labels ?? [], (label) => Int32Array.of(label));
  if (target === undefined) {
    const taught = batch.reference?.[output.name];
    if (taught === undefined) return [];
    return classesAt(taught, output, batch.size).map((places) =>
      Int32Array.from(places, ([first = -1]) => first),
    );
  }
  const array = batch.targets?.[target];
  if (array === undefined) return [];
  const values = readNumbers(array);
  const width = values.length / batch.size;
  const ignored = array.dtype === "uint8" ? 255 : -1;
  return Array.from({ length: batch.size }, (_, sample) =>
    Int32Array.from(values.subarray(sample * width, (sample + 1) * width), (value) =>
      value === ignored ? -1 : value,
    ),
  );
}

function samePlaces(found: number, wanted: number, { name }: ClassOutput, target: string | undefined): void {
  if (found === wanted) return;
  throw dataError(
    "target-shape",
    `Output "${name}" has ${found} places a sample, and ${target === undefined ? "the float model's" : `"${target}"`} ${wanted}`,
    name,
    "Give one class index for each place.",
  );
}

interface Hits {
  right: number;
  count: number;
}

const isFromFloat = ({ target }: ClassTarget): boolean => target === undefined;

const arraysOf = ({ target }: ClassTarget): string[] =>
  target === undefined || target === "labels" ? [] : [target];

/** How often classes at the places of an output are the wanted ones; `entryOf`: of a sample's best `k` classes at each. */
function ofClasses<Entry>(
  { name, k = 1, output, target }: { name: string; k?: number; output: ClassOutput; target: ClassTarget },
  entryOf: (places: readonly Int32Array[], wanted: Int32Array) => Entry,
  combine: NonNullable<Metric<Entry>["combine"]>,
): Metric<Entry> {
  return {
    name,
    better: "higher",
    combine,
    outputs: [output.name],
    arrays: arraysOf(target),
    fromFloat: isFromFloat(target),
    measure(batch) {
      const wanted = wantedClasses(batch, output, target);
      return classesAt(batch.outputs[output.name] as never, output, batch.size, k).map((places, sample) => {
        const own = wanted[sample] ?? new Int32Array(0);
        samePlaces(places.length, own.length, output, target.target);
        return entryOf(places, own);
      });
    },
  };
}

/** The share of places whose wanted class is among the `k` of largest score. */
export function topK(name: string, k: number, output: ClassOutput, target: ClassTarget): Metric<Hits> {
  const hitsOf = (places: readonly Int32Array[], wanted: Int32Array): Hits => {
    const hits = { right: 0, count: 0 };
    for (const [place, classes] of places.entries()) {
      if ((wanted[place] as number) < 0) continue;
      hits.count++;
      if (classes.includes(wanted[place] as number)) hits.right++;
    }
    return hits;
  };
  return ofClasses({ name, k, output, target }, hitsOf, (entries) => {
    const [right, count] = [sum(entries, ({ right: each }) => each), sum(entries, (each) => each.count)];
    return count === 0 ? 0 : right / count;
  });
}

const sum = <T>(entries: readonly T[], of: (entry: T) => number): number =>
  entries.reduce((total, entry) => total + of(entry), 0);

/** Places in both, and in either, by class. */
type Overlap = Map<number, { both: number; either: number }>;

/**
 * Mean over classes of intersection over union, each over all samples: classes that neither has anywhere do not count. Of a
 * map of one channel it is that of the foreground alone.
 */
export function meanIoU(name: string, output: ClassOutput, target: ClassTarget): Metric<Overlap> {
  const foreground = isBinary(output);
  const entryOf = (places: readonly Int32Array[], wanted: Int32Array): Overlap =>
    overlapOf(places, wanted, foreground);
  return ofClasses({ name, output, target }, entryOf, (entries) => {
    const all: Overlap = new Map();
    for (const entry of entries)
      for (const [label, { both, either }] of entry) {
        const known = overlapAt(all, label);
        known.both += both;
        known.either += either;
      }
    const ratios = [...all.values()]
      .filter(({ either }) => either > 0)
      .map(({ both, either }) => both / either);
    return ratios.length === 0 ? 1 : ratios.reduce((a, b) => a + b) / ratios.length;
  });
}

function overlapOf(places: readonly Int32Array[], wanted: Int32Array, foreground: boolean): Overlap {
  const found: Overlap = new Map();
  for (const [place, [own = -1]] of places.entries()) {
    const label = wanted[place] as number;
    if (label < 0) continue;
    for (const each of new Set([own, label])) {
      if (foreground && each === 0) continue;
      const at = overlapAt(found, each);
      at.either++;
      if (own === label) at.both++;
    }
  }
  return found;
}

function overlapAt(all: Overlap, label: number): { both: number; either: number } {
  const known = all.get(label) ?? { both: 0, either: 0 };
  all.set(label, known);
  return known;
}
