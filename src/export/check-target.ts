import { unsupportedError, usageError, verificationError } from "../errors.ts";
import { requiredInputs, shapeOf } from "../ir/value-types.ts";
import type { Model } from "../ir/model.ts";
import { pinBatch } from "../passes/pin-batch.ts";
import { type BatchAxes, nameOpenDims, type Sizes, tensorTypeOf } from "../passes/bind-inputs.ts";
import type { Target } from "../quantization/targets/target.ts";

/** Most nodes or values that an error names. */
const most = 8;

const listed = (names: readonly string[]): string =>
  names.length <= most
    ? names.join(", ")
    : `${names.slice(0, most).join(", ")} and ${names.length - most} more`;

/** Throws a usage error where a target has no way to store 4-bit codes as asked for. */
export function checkStorage(target: Target, int4: "container" | "initializer"): void {
  if (target.int4.includes(int4)) return;
  throw usageError(
    "int4",
    `The target ${target.name} does not read INT4 initializers`,
    "--int4",
    `Choose --int4 ${target.int4.join(" or ")}.`,
  );
}

/**
 * Throws where the target cannot take a prepared model: it needs fixed shapes, and inputs leave dimensions open beside the
 * batch (which is fixed to one sample), or shapes of nodes depend on the data. All inputs or nodes are named at once.
 * `sizes`: of open dimensions, as the data have them.
 */
export async function checkModel(
  model: Model,
  target: Target,
  sizes?: Sizes,
  batchAxes: BatchAxes = {},
): Promise<void> {
  if (target.shapes === "open") return;
  checkInputs(model, target, sizes, batchAxes);
  const { graph } = await pinBatch(model, 1, { open: true, sizes });
  const open = graph.nodes.filter(({ outputs }) =>
    outputs.some(
      (name) => name !== "" && shapeOf(graph, name)?.every((dim) => typeof dim === "number") !== true,
    ),
  );
  if (open.length === 0) return;
  throw unsupportedError(
    "target-shapes",
    `The target ${target.name} needs fixed shapes, and those of ${open.length} nodes depend on the data: ${listed(open.map(({ name, opType }) => `"${name}" (${opType})`))}`,
    graph.name,
    "Cut the model in front of them when exporting it, give sizes with --input-shape, or choose another --target.",
  );
}

/** Sizes that a file keeps for good are the user's to choose. */
function checkInputs(
  { graph }: Model,
  { name: target }: Target,
  sizes: Sizes | undefined,
  batchAxes: BatchAxes,
): void {
  const { inputs, batch } = nameOpenDims(requiredInputs(graph), batchAxes);
  const open = inputs.flatMap((input) => {
    const { name } = input;
    const { shape = [] } = tensorTypeOf(input);
    return shape.some((dim) => typeof dim === "string" && dim !== batch) ? [{ name, shape }] : [];
  });
  if (open.length === 0) return;
  const sized = open.map(({ name, shape }) => {
    const dims = shape.map((dim) =>
      dim === batch ? "-1" : typeof dim === "number" ? dim : (sizes?.get(dim ?? "") ?? "SIZE"),
    );
    return `--input-shape ${name}=${dims.join(",")}`;
  });
  throw unsupportedError(
    "target-shapes",
    `The target ${target} needs fixed shapes, and inputs leave dimensions open: ${listed(open.map(({ name, shape }) => `"${name}" [${shape.join(", ")}]`))}`,
    graph.name,
    `Choose their sizes: ${sized.join(" ")}; the batch is fixed to one sample.`,
  );
}

/** Throws verification/structure where a deployed model breaks a rule of its target's documentation. */
export function checkStructure(model: Model, target: Target, where?: string): void {
  const broken = target.verified.rules.flatMap(({ name, check }) => {
    const found = check(model);
    return found.length === 0 ? [] : [`${name}: ${listed(found)}`];
  });
  if (broken.length === 0) return;
  throw verificationError(
    "structure",
    `The file breaks rules of the target ${target.name}: ${broken.join("; ")}`,
    where,
    "Leave these nodes in float (--exclude-nodes); if it persists, please report it as a bug.",
  );
}
