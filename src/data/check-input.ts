import { dataError } from "../errors.ts";
import type { ModelInput } from "./model-input.ts";

/** Throws UserError data/shape when samples of shape dims[1..] cannot feed the input; its symbolic dimensions take any size. */
export function checkInputShape(dims: readonly number[], input: ModelInput, where: string): void {
  const fits =
    dims.length === input.shape.length &&
    input.shape.every((dim, axis) => axis === 0 || typeof dim !== "number" || dim === dims[axis]);
  if (fits) return;
  throw dataError(
    "shape",
    `The data have the shape [${dims.join(", ")}] where input "${input.name}" takes [${input.shape.map((dim) => dim ?? "?").join(", ")}]`,
    where,
    "The first dimension counts samples; the others must fit.",
  );
}
