/** A rectangle by its corners. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

export interface Detection {
  box: Box;
  score: number;
  label: number;
}

/** What is really there; detections are right where they overlap with it. */
export type Truth = Omit<Detection, "score">;

/** COCO's: 0.5, 0.55, ... 0.95. */
export const cocoOverlaps: readonly number[] = Array.from({ length: 10 }, (_, step) => (50 + 5 * step) / 100);

/** Detections of a class in a picture that count, the best first. */
const mostDetections = 100;

/** What a picture has of one class. */
interface ClassEntry {
  positives: number;
  scores: number[];
  /** By threshold, whether each detection is right. */
  right: boolean[][];
}

/** What one picture adds to an average precision, by class. */
export type PictureEntry = Map<number, ClassEntry>;

/** Intersection over union of two rectangles. */
export function overlapOf(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = ([left, top, right, bottom]: Box): number => (right - left) * (bottom - top);
  const both = width * height;
  return both / (area(a) + area(b) - both);
}

/**
 * Matches the detections of a picture with what is there, class by class, as COCO does: in order of their scores each takes
 * the box that it overlaps with most among those which no better one has taken, if by as much as the threshold.
 */
export function matchPicture(
  detections: readonly Detection[],
  truths: readonly Truth[],
  overlaps: readonly number[],
): PictureEntry {
  const entry: PictureEntry = new Map();
  for (const label of new Set([...detections, ...truths].map((each) => each.label))) {
    const found = detections
      .filter((each) => each.label === label)
      .sort((a, b) => b.score - a.score)
      .slice(0, mostDetections);
    const there = truths.filter((each) => each.label === label);
    const matrix = found.map(({ box }) => there.map((truth) => overlapOf(box, truth.box)));
    entry.set(label, {
      positives: there.length,
      scores: found.map(({ score }) => score),
      right: overlaps.map((least) => matchAt(matrix, there.length, least)),
    });
  }
  return entry;
}

function matchAt(matrix: readonly (readonly number[])[], count: number, least: number): boolean[] {
  const taken = new Set<number>();
  return matrix.map((row) => {
    let [best, at] = [Math.min(least, 1 - 1e-10), -1];
    for (let truth = 0; truth < count; truth++) {
      if (taken.has(truth) || (row[truth] as number) < best) continue;
      [best, at] = [row[truth] as number, truth];
    }
    if (at >= 0) taken.add(at);
    return at >= 0;
  });
}

/**
 * Mean over classes that are there at all, and over thresholds, of the average precision: the precision at 101 recalls, each
 * the best at that recall or beyond (COCO's definition, all sizes). NaN where nothing is there.
 */
export function averagePrecision(entries: readonly PictureEntry[], thresholds: number): number {
  const labels = new Set(entries.flatMap((entry) => [...entry.keys()]));
  const precisions: number[] = [];
  for (const label of labels) {
    const own = entries.flatMap((entry) => entry.get(label) ?? []);
    const positives = own.reduce((sum, each) => sum + each.positives, 0);
    if (positives === 0) continue;
    const order = own
      .flatMap((each, picture) => each.scores.map((score, at) => ({ score, picture, at })))
      .sort((a, b) => b.score - a.score);
    for (let threshold = 0; threshold < thresholds; threshold++) {
      const right = order.map(({ picture, at }) => own[picture]?.right[threshold]?.[at] === true);
      precisions.push(precisionOf(right, positives));
    }
  }
  return precisions.length === 0 ? NaN : precisions.reduce((a, b) => a + b) / precisions.length;
}

const recallSteps = 100;

function precisionOf(right: readonly boolean[], positives: number): number {
  let hits = 0;
  const recall: number[] = [];
  const precision = right.map((each, at) => {
    if (each) hits++;
    recall.push(hits / positives);
    return hits / (at + 1);
  });
  for (let at = precision.length - 2; at >= 0; at--)
    precision[at] = Math.max(precision[at] as number, precision[at + 1] as number);
  let [sum, at] = [0, 0];
  for (let step = 0; step <= recallSteps; step++) {
    while (at < recall.length && (recall[at] as number) < step / recallSteps) at++;
    sum += precision[at] ?? 0;
  }
  return sum / (recallSteps + 1);
}

/** The detections of one class that no better one overlaps with by more than `most`. */
export function suppress(detections: readonly Detection[], most: number): Detection[] {
  const kept: Detection[] = [];
  for (const each of [...detections].sort((a, b) => b.score - a.score))
    if (!kept.some((other) => other.label === each.label && overlapOf(other.box, each.box) > most))
      kept.push(each);
  return kept;
}
