import { InternalError } from "../../errors.ts";
import type { Graph } from "../../ir/model.ts";
import { instantiate } from "../../passes/inline-functions/instantiate.ts";
import { dataTypes } from "../../tensor/data-type.ts";
import type { BoundInput } from "./bind-loss-inputs.ts";
import type { LossModel } from "./loss-model.ts";
import { lossOutputs } from "./outputs.ts";
import type { LossBuilder, LossOutput } from "./ports.ts";

/** What names of a loss's nodes and values begin with in the graph that it became part of. */
export const lossPrefix = "loss/";

/** Writes a loss that is a model into the graph, its weights as constants; returns the value of its output, one number. */
export function inlineLoss(builder: LossBuilder, graph: Graph, { model, inputs }: LossModel): string {
  const { emit } = builder;
  const outputs = lossOutputs(graph);
  const names = new Map(inputs.map((input) => [input.name, portOf(builder, input, outputs)]));
  const rename = (name: string): string => {
    if (name === "") return name;
    const known = names.get(name) ?? emit.fresh(`${lossPrefix}${name}`);
    names.set(name, known);
    return known;
  };
  for (const [name, tensor] of model.graph.initializers) graph.initializers.set(rename(name), tensor);
  const nameNode = (name: string): string => emit.fresh(`${lossPrefix}${name}`);
  graph.nodes.push(...instantiate(model.graph.nodes, { attributes: new Map(), rename, nameNode }));
  const output = rename(model.graph.outputs[0]?.name ?? "");
  return builder.scalar(emit.op("Reshape", [output, builder.integers([])]));
}

/** The value that feeds an input of the loss. */
function portOf(builder: LossBuilder, input: BoundInput, outputs: readonly LossOutput[]): string {
  const { source, type } = input;
  const outputNamed = (name: string): LossOutput => {
    const found = outputs.find((output) => output.name === name);
    if (found === undefined) throw new InternalError(`no output "${name}" for the loss`);
    return found;
  };
  switch (source.from) {
    case "output":
      return source.output;
    case "teacher":
      return builder.teacher(outputNamed(source.output));
    case "data":
      return builder.array(source.array, type, input.shape);
    case "labels": {
      const labels = builder.labels(outputs[0] as LossOutput);
      return type === "int64" ? labels : builder.emit.op("Cast", [labels], { to: dataTypes[type].code });
    }
  }
}
