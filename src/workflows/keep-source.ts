import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { writeFileAtomically } from "../atomic-file.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import { restoreTypes } from "../export/restore-types.ts";
import type { Graph } from "../ir/model.ts";
import { isExternal, saveModel } from "../onnx/index.ts";
import type { QuantizationPlan } from "../quantization/types.ts";
import type { Report } from "../report/report-data.ts";
import { describeCalibration, describePlan } from "./describe-quantization.ts";
import type { QuantizationChoices } from "./options.ts";
import type { Quantized } from "./quantize-stage.ts";
import type { Source } from "./read-source.ts";

/** Whether a plan quantizes nothing at all. */
export const quantizesNothing = ({ activations, weights }: QuantizationPlan): boolean =>
  activations.length === 0 && weights.length === 0;

/**
 * Writes the source to `out` as it came, where nothing of it can be quantized, or with nothing but codes inside its subgraphs
 * where those were asked for: what a report says then. Weights that lie in files beside the source go into the model's own.
 */
export async function keepSource(
  quantized: Quantized,
  choices: QuantizationChoices,
  out: string,
): Promise<Pick<Report, "data" | "quantization" | "output" | "warnings">> {
  const { source, model, subgraphWeights, plan, notes } = quantized;
  const isKept = subgraphWeights.length === 0;
  if (isKept) await copySource(source, out);
  else await saveModel(restoreTypes(model), out);
  const { wbits, abits, calibration } = choices;
  return {
    data: { calibration: describeCalibration(quantized) },
    quantization: { wbits, abits, calibration, calibrationSamples: 0, ...describePlan(plan, []) },
    output: { path: out, bytes: (await stat(out)).size },
    warnings: [
      ...notes,
      `${isKept ? "Nothing in this model can be quantized; it is written as it came." : "Nothing outside its subgraphs can be quantized."} ${mainReasons(plan)}`,
    ],
  };
}

async function copySource({ path, model }: Source, out: string): Promise<void> {
  if (readsFiles(model.graph)) return saveModel(model, out);
  await writeFileAtomically(out, async (handle) => {
    for await (const chunk of createReadStream(path)) await handle.writeFile(chunk as Uint8Array);
  });
}

/** Whether weights of a graph, or of one within it, lie in files of their own. */
const readsFiles = ({ initializers, nodes }: Graph): boolean =>
  [...initializers.values()].some(isExternal) || nodes.some((node) => subgraphsOf(node).some(readsFiles));

/** The reasons that most nodes have, in words. */
function mainReasons({ float }: QuantizationPlan): string {
  const counts = new Map<string, { count: number; op: string }>();
  for (const { op, reason } of float) counts.set(reason, { op, count: (counts.get(reason)?.count ?? 0) + 1 });
  const [most] = [...counts].sort(([, a], [, b]) => b.count - a.count);
  if (most === undefined) return "None of its nodes computes with floats.";
  const [reason, { op, count }] = most;
  return `Most often (${count} of ${float.length} float nodes, ${op} among them): ${reason}.`;
}
