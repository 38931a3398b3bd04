import type { Model, Node } from "../../ir/model.ts";
import { type Forms, knownForms, type Question, questionKey } from "../../lowering/forms.ts";
import type { TrialTarget } from "../artifact/forward-candidate.ts";
import { trialModel } from "./trial-model.ts";

/** Variants of a node that are tried at most. */
const mostVariants = 8;

/** Forms by the key of the question that they answer. */
type Assignment = ReadonlyMap<string, string>;

/** A node lowered in some of its forms. */
export interface Variant {
  assignment: Assignment;
  model: Model;
}

/** The node lowered in every combination of forms that it can be asked for, the guessed one first. */
export function variantsOf(node: Node, target: TrialTarget): Variant[] {
  const variants: Variant[] = [];
  const queue: Assignment[] = [new Map()];
  const known = new Set<string>();
  for (let forced = queue.shift(); forced !== undefined; forced = queue.shift()) {
    const asked: { question: Question; form: string }[] = [];
    const answers = knownForms(forced);
    const recorder: Forms = {
      answer: (question) => {
        const form = answers.answer(question);
        asked.push({ question, form });
        return form;
      },
    };
    const model = trialModel(node, recorder, target);
    const assignment = new Map(asked.map(({ question, form }) => [questionKey(question), form]));
    const name = JSON.stringify([...assignment]);
    if (known.has(name)) continue;
    known.add(name);
    variants.push({ assignment, model });
    if (variants.length === mostVariants) break;
    for (const { question, form } of asked)
      for (const other of question.forms)
        if (other !== form && !forced.has(questionKey(question)))
          queue.push(new Map([...forced, [questionKey(question), other]]));
  }
  return variants;
}
