/** A choice between forms that compute the same: what it is about, and what the cost model in choose.ts guesses. */
export interface Question {
  decision: string;
  /** What the best form depends on: shapes, windows. */
  facts: readonly unknown[];
  /** The forms that are possible here. */
  forms: readonly string[];
  guess: string;
}

/** Answers questions with one of their forms. */
export interface Forms {
  answer(question: Question): string;
}

/** Takes every guess. */
export const guessedForms: Forms = { answer: ({ guess }) => guess };

/** Takes what a table has for a question's key, else the guess. */
export function knownForms(table: ReadonlyMap<string, string>): Forms {
  return {
    answer: (question) => {
      const known = table.get(questionKey(question));
      return known !== undefined && question.forms.includes(known) ? known : question.guess;
    },
  };
}

export const questionKey = ({ decision, facts }: Question): string => `${decision} ${JSON.stringify(facts)}`;

/** Asks for one of `forms`. */
export function choose<F extends string>(
  answers: Forms,
  question: { decision: string; facts: readonly unknown[]; forms: readonly F[]; guess: F },
): F {
  return answers.answer(question) as F;
}
