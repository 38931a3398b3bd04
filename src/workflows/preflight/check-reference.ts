import { usageError } from "../../errors.ts";

/** Throws a usage error where a reference model takes other inputs, or gives other outputs, than the model it is compared with. */
export function checkReference(model: Ports, reference: Ports, output: string | undefined): void {
  const wanted = model.inputs.map(({ name }) => name).sort();
  const has = reference.inputs.map(({ name }) => name).sort();
  if (wanted.join() !== has.join())
    throw otherReference(`takes the inputs ${has.join(", ")}, not ${wanted.join(", ")}`);
  for (const { name, shape } of reference.inputs) {
    const own = model.inputs.find((input) => input.name === name)?.shape ?? [];
    if (!agree(own, shape))
      throw otherReference(`takes "${name}" as [${spell(shape)}], not as [${spell(own)}]`);
  }
  const pick = ({ outputs }: Ports): Port | undefined =>
    output === undefined ? outputs[0] : outputs.find(({ name }) => name === output);
  const [own, other] = [pick(model), pick(reference)];
  if (own === undefined || other === undefined || agree(own.shape, other.shape)) return;
  throw otherReference(`gives [${spell(other.shape)}] where the model gives [${spell(own.shape)}]`);
}

interface Port {
  name: string;
  shape: readonly (number | string)[];
}

/** Inputs and outputs of a model. */
interface Ports {
  inputs: readonly Port[];
  outputs: readonly Port[];
}

/** Shapes of which each dimension that both fix is the same; unknown ranks agree with all. */
const agree = (a: Port["shape"], b: Port["shape"]): boolean =>
  a.length === 0 ||
  b.length === 0 ||
  (a.length === b.length &&
    a.every((dim, axis) => typeof dim !== "number" || typeof b[axis] !== "number" || dim === b[axis]));

const spell = (shape: Port["shape"]): string => shape.join(", ");

const otherReference = (what: string): Error =>
  usageError(
    "reference",
    `The reference model ${what}`,
    "--reference",
    "Give the float model that this one was made from.",
  );
