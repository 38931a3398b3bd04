import { Emitter } from "../../ir/emit.ts";
import { contribOpsets, createGraph, createModel, createValue } from "../../ir/graph.ts";
import { GradientBuilder } from "../../lowering/gradient-builder.ts";
import { fromBlocks, nchwcBlock, toBlocks } from "../../lowering/nchwc.ts";
import { withSession } from "../../runtime/open-model.ts";

/** Whether ONNX Runtime has kernels for operators on channels in blocks on this machine's processor. */
export async function loadsNchwc(): Promise<boolean> {
  const graph = createGraph("probe");
  const shape = [1, nchwcBlock, 1, 1];
  const builder = new GradientBuilder(new Emitter(graph));
  graph.inputs.push(createValue("x", "float32", shape));
  const same = fromBlocks(builder, toBlocks(builder, "x"), nchwcBlock);
  graph.outputs.push(createValue(same, "float32", shape));
  const model = createModel(graph, 17, contribOpsets(graph));
  return withSession(model, { threads: 1, isolated: false }, async () => true).catch(() => false);
}
