import type { Model, Node } from "../../ir/model.ts";
import { type Algorithms, knownAlgorithms, type Question, questionKey } from "../../lowering/algorithms.ts";
import type { TrialTarget } from "../artifact/forward-candidate.ts";
import { trialModel } from "./trial-model.ts";

/** Variants of a node that are tried at most. */
const mostVariants = 8;

/** Algorithms by the key of the question that they answer. */
type Assignment = ReadonlyMap<string, string>;

/** A node lowered in some of its algorithms. */
export interface Variant {
  assignment: Assignment;
  model: Model;
}

/** The node lowered in every combination of algorithms that it can be asked for, the guessed one first. */
export function variantsOf(node: Node, target: TrialTarget): Variant[] {
  const variants: Variant[] = [];
  const queue: Assignment[] = [new Map()];
  const known = new Set<string>();
  for (let forced = queue.shift(); forced !== undefined; forced = queue.shift()) {
    const asked: { question: Question; algorithm: string }[] = [];
    const answers = knownAlgorithms(forced);
    const recorder: Algorithms = {
      answer: (question) => {
        const algorithm = answers.answer(question);
        asked.push({ question, algorithm });
        return algorithm;
      },
    };
    const model = trialModel(node, recorder, target);
    const assignment = new Map(asked.map(({ question, algorithm }) => [questionKey(question), algorithm]));
    const name = JSON.stringify([...assignment]);
    if (known.has(name)) continue;
    known.add(name);
    variants.push({ assignment, model });
    if (variants.length === mostVariants) break;
    for (const { question, algorithm } of asked)
      for (const other of question.algorithms)
        if (other !== algorithm && !forced.has(questionKey(question)))
          queue.push(new Map([...forced, [questionKey(question), other]]));
  }
  return variants;
}
