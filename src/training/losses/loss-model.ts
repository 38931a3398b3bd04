import type { TargetArrays } from "../../data/targets.ts";
import { modelError, UserError } from "../../errors.ts";
import { createValue } from "../../ir/graph.ts";
import type { Dim, Graph, Model } from "../../ir/model.ts";
import { dtypeOf, shapeOf } from "../../ir/value-types.ts";
import { loadModel } from "../../onnx/index.ts";
import { prepareModel } from "../../passes/prepare.ts";
import { bindLossInputs, type BoundInput } from "./bind-loss-inputs.ts";
import { lossOutputs } from "./outputs.ts";

/** A loss that is an ONNX model: outputs and targets in, one number out. */
export interface LossModel {
  file: string;
  /** Prepared; its inputs have the shapes of what feeds them. */
  model: Model;
  inputs: BoundInput[];
  /** The outputs of the trained model that it reads. */
  outputs: string[];
}

/**
 * Reads a loss for a prepared model of which it takes outputs. Throws a UserError that names the input or the output of the
 * loss which does not fit.
 */
export async function openLossModel(
  file: string,
  graph: Graph,
  data: { hasLabels: boolean; targets: TargetArrays | undefined; output?: string | undefined },
): Promise<LossModel> {
  const model = await loadModel(file);
  const outputs = lossOutputs(graph, data.output);
  const inputs = await bindLossInputs(model.graph, outputs, { ...data, file });
  const shaped = withShapes(model, inputs);
  const prepared = await prepareModel(shaped).catch((error: unknown) => {
    throw error instanceof UserError ? inLoss(error, file) : error;
  });
  requireScalar(prepared.graph, file);
  const read = inputs.flatMap(({ source }) => (source.from === "output" ? [source.output] : []));
  return { file, model: prepared, inputs, outputs: [...new Set(read)] };
}

/** The model with the shapes of what feeds its inputs. */
function withShapes(model: Model, bound: readonly BoundInput[]): Model {
  const inputs = bound.map(({ name, type, shape }) => createValue(name, type, [...shape]));
  const known = new Set(inputs.map(({ name }) => name));
  const rest = model.graph.inputs.filter(({ name }) => !known.has(name));
  return { ...model, graph: { ...model.graph, inputs: [...inputs, ...rest] } };
}

function requireScalar(graph: Graph, file: string): void {
  const [output, more] = graph.outputs;
  const name = output?.name ?? "";
  const shape = shapeOf(graph, name);
  const isOne = shape?.every((dim) => dim === 1) === true;
  if (more !== undefined) {
    const names = graph.outputs.map((each) => `"${each.name}"`).join(", ");
    throw refuse(`The loss has ${graph.outputs.length} outputs, ${names}`, file);
  }
  if (isOne && dtypeOf(graph, name) === "float32") return;
  const shown = (shape ?? ["unknown"]).map((dim: Dim) => dim ?? "?").join(", ");
  throw refuse(`The loss gives ${dtypeOf(graph, name) ?? "no tensor"} [${shown}] ("${name}")`, file);
}

const refuse = (what: string, file: string): UserError =>
  modelError(
    "loss",
    `${what}, and one float32 number is needed`,
    file,
    "End it in a mean or a sum over all elements.",
  );

const inLoss = (error: UserError, file: string): UserError =>
  new UserError(error.code, error.kind, `The loss cannot be used: ${error.message}`, {
    where: error.where === undefined ? file : `${error.where} in ${file}`,
    hint: error.hint,
    cause: error,
  });
