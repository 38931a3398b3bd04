import { changedAnswers } from "../../src/statistics/paired.ts";

/** Top-1 accuracy in points, and how far below another's on the same samples it is. */
export interface Comparison {
  accuracy: number;
  /** Points lost against the other; negative where more is right. */
  lost: number;
  /** Standard error of `lost`, from the samples that one of the two alone has right. */
  error: number;
}

/** Compares the classes that two models give with the labels. */
export function compareClasses(
  own: ArrayLike<number>,
  other: ArrayLike<number>,
  labels: ArrayLike<number>,
): Comparison {
  const right = (classes: ArrayLike<number>): number[] =>
    Array.from(labels, (label, sample) => Number(classes[sample] === label));
  const [mine, theirs] = [right(own), right(other)];
  const { won, lost } = changedAnswers(theirs, mine);
  const points = 100 / labels.length;
  return {
    accuracy: points * mine.filter((answer) => answer === 1).length,
    lost: points * (lost - won),
    error: points * Math.sqrt(won + lost),
  };
}
