import type { Dataset } from "../../data/dataset.ts";
import { noSuchTarget } from "../../data/targets.ts";
import { dataError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { LossTarget } from "../../training/losses/ports.ts";
import { checkSequences } from "./check-sequences.ts";

/**
 * Checks that the data bring the arrays that a loss compares with, in its shapes but for dimensions of one, and label
 * sequences that can be written. Returns their names.
 */
export async function checkTargets(
  targets: readonly LossTarget[],
  dataset: Dataset,
  logger: Logger,
): Promise<string[]> {
  const names: string[] = [];
  for (const { source, shape, type, sequences } of targets) {
    if (source.from !== "data") continue;
    const { array } = source;
    if (dataset.targets?.names.includes(array) !== true)
      throw noSuchTarget(array, dataset.targets?.names ?? [], dataset.name);
    const { dtype, dims } = await dataset.targets.shapeOf(array);
    const wanted = shape.slice(1);
    const isWhole = !/float/.test(dtype);
    if (fits(dims, wanted) && (isWhole || type.startsWith("float"))) {
      names.push(array);
      if (sequences !== undefined) await checkSequences(array, sequences, dataset, logger);
      continue;
    }
    throw dataError(
      "target-shape",
      `The array "${array}" is ${dtype} [samples, ${dims.join(", ")}], and the loss compares with ${type} [samples, ${wanted.join(", ")}]`,
      dataset.name,
      "Give one value for each that the output has: class indices without the axis of classes, others in the output's shape.",
    );
  }
  return names;
}

function fits(dims: readonly number[], wanted: readonly (number | string)[]): boolean {
  const [own, other] = [dims.filter((dim) => dim !== 1), wanted.filter((dim) => dim !== 1)];
  return (
    own.length === other.length && other.every((dim, axis) => typeof dim === "string" || dim === own[axis])
  );
}
