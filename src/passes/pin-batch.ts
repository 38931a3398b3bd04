import { modelError } from "../errors.ts";
import { cloneModel } from "../ir/clone.ts";
import { requiredInputs } from "../ir/value-types.ts";
import type { Model, Value } from "../ir/model.ts";
import { bindSymbols, nameOpenDims, type Sizes } from "./bind-inputs.ts";
import { definePass, type Pass } from "./define-pass.ts";
import { eliminateNoOps } from "./eliminate-no-ops.ts";
import { foldConstants } from "./fold-constants.ts";
import { runPasses, type PipelineOptions } from "./pipeline.ts";
import { recordTypes } from "./record-types.ts";
import type { StaticTypeOptions } from "./infer-static-types.ts";
import { removeUnused } from "./remove-unused.ts";
import { resolveResize } from "./resolve-resize.ts";
import { resolveShapes } from "./resolve-shapes.ts";

/**
 * The model with every shape static at batch size `batch` and the given sizes of other open dimensions: what is computed
 * from shapes becomes constant, value info is complete. Values that remain keep their names.
 * With `open`, values whose shapes depend on the inputs' values or are not known are no error: they are left open. With
 * `runLoops`, shapes behind operators that hold subgraphs are measured.
 */
export async function pinBatch(
  model: Model,
  batch: number,
  {
    open = false,
    runLoops = false,
    sizes = new Map(),
    ...options
  }: PipelineOptions & StaticTypeOptions & { open?: boolean; sizes?: Sizes | undefined } = {},
): Promise<Model> {
  const pinned = await runPasses(
    model,
    [
      bindInputs(batch, sizes),
      recordTypes({ runLoops }),
      resolveShapes,
      resolveResize,
      foldConstants,
      eliminateNoOps,
      removeUnused,
      recordMissingTypes(runLoops),
    ],
    options,
  );
  if (!open) requireStaticShapes(pinned);
  return pinned;
}

/** Records types and shapes of the values that passes added; the others have kept theirs. */
const recordMissingTypes = (runLoops: boolean): Pass =>
  definePass({
    name: "record-missing-types",
    run(model, context) {
      const { graph } = model;
      const known = new Set(graph.outputs.filter(isTyped).map(({ name }) => name));
      for (const [name, value] of graph.valueInfo) if (isTyped(value)) known.add(name);
      const missing = graph.nodes.some(({ outputs }) =>
        outputs.some((name) => name !== "" && !known.has(name)),
      );
      return missing ? recordTypes({ runLoops }).run(model, context) : model;
    },
  });

const isTyped = ({ type }: Value): boolean =>
  type?.kind === "tensor" && type.shape?.every((dim) => typeof dim === "number") === true;

function bindInputs(batch: number, sizes: Sizes): Pass {
  return definePass({
    name: "pin-batch",
    run(model) {
      const result = cloneModel(model);
      const open = nameOpenDims(requiredInputs(result.graph));
      const all = new Map([...sizes, ...(open.batch === undefined ? [] : [[open.batch, batch] as const])]);
      result.graph.inputs = bindSymbols(open.inputs, all);
      result.graph.valueInfo.clear();
      for (const output of result.graph.outputs)
        if (output.type?.kind === "tensor") output.type = { ...output.type, shape: undefined };
      return result;
    },
  });
}

function requireStaticShapes({ graph }: Model): void {
  for (const { name, type } of [...graph.valueInfo.values(), ...graph.outputs]) {
    if (type?.kind !== "tensor" || type.shape?.every((dim) => typeof dim === "number") === true) continue;
    const node = graph.nodes.find((candidate) => candidate.outputs.includes(name));
    throw modelError(
      "data-dependent-shape",
      `The shape of "${name}" depends on the values of the inputs`,
      node === undefined ? undefined : `${node.opType} "${node.name}"`,
      "Only networks whose shapes follow from the input shapes can be trained; export the part without this node.",
    );
  }
}
