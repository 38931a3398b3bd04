import { answerFor } from "../autodiff/rules.ts";
import type { Model } from "../ir/model.ts";
import { prepareModel } from "../passes/prepare.ts";
import { planQuantization } from "../quantization/plan.ts";
import type { QuantizationPlan } from "../quantization/types.ts";
import type { QuantizationSection, Report } from "../report/report-data.ts";
import type { RunContext } from "./context.ts";
import type { InspectOptions } from "./options.ts";
import { readSource } from "./read-source.ts";
import { startReport } from "./start-report.ts";

/** What a model consists of, what would be quantized, what stays float and why, and what cannot be trained. */
export async function inspect(options: InspectOptions, context: RunContext): Promise<Report> {
  const start = performance.now();
  const source = await readSource(options.model);
  const model = await prepareModel(source.model, context);
  const plan = planQuantization(model, options.quantization);
  return {
    ...startReport("inspect", options, source, start),
    quantization: describePlan(model, plan, options),
    support: findUntrainable(model),
  };
}

function describePlan(
  model: Model,
  plan: QuantizationPlan,
  { quantization }: InspectOptions,
): QuantizationSection {
  return {
    wbits: quantization.wbits ?? 8,
    abits: quantization.abits ?? 8,
    weights: plan.weights.length,
    activations: plan.activations.length,
    layers: plan.weights.map(({ name, nodes, op, bits, axis }) => {
      const shape = [...(model.graph.initializers.get(name)?.dims ?? [])];
      return { weight: name, nodes, op, bits, shape, rows: shape[axis] ?? 1 };
    }),
    float: plan.float,
    dropped: plan.dropped.map(({ node, op, reason }) => ({ node, op, reason })),
  };
}

/** Nodes whose operator has no gradient, so that nothing in front of them can train. */
function findUntrainable(model: Model): NonNullable<Report["support"]> {
  return model.graph.nodes.flatMap((node) => {
    const answer = answerFor(node);
    return "refused" in answer ? [{ node: node.name, op: node.opType, reason: answer.refused }] : [];
  });
}
