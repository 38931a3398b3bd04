/**
 * A choice between algorithms for the same result, with the algorithm that the cost model in choose.ts estimates to be
 * the fastest.
 */
export interface Question {
  decision: string;
  /** What the best algorithm depends on: shapes, windows. */
  facts: readonly unknown[];
  /** The algorithms that are possible here. */
  algorithms: readonly string[];
  guess: string;
}

/** Answers questions with one of their algorithms. */
export interface Algorithms {
  answer(question: Question): string;
}

/** Takes every guess. */
export const guessedAlgorithms: Algorithms = { answer: ({ guess }) => guess };

/** Takes what a table has for a question's key, else the guess. */
export function knownAlgorithms(table: ReadonlyMap<string, string>): Algorithms {
  return {
    answer: (question) => {
      const known = table.get(questionKey(question));
      return known !== undefined && question.algorithms.includes(known) ? known : question.guess;
    },
  };
}

export const questionKey = ({ decision, facts }: Question): string => `${decision} ${JSON.stringify(facts)}`;

/** Asks for one of `algorithms`. */
export function choose<F extends string>(
  answers: Algorithms,
  question: { decision: string; facts: readonly unknown[]; algorithms: readonly F[]; guess: F },
): F {
  return answers.answer(question) as F;
}
