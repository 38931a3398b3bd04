import { prepareOpen } from "../passes/prepare.ts";
import { countKept, floatLayers, keepBits } from "../quantization/keep-quantizers.ts";
import { planQuantization } from "../quantization/plan.ts";
import type { Claim } from "../claims/claim-paths.ts";
import { chooseRecipe, describeRecipe } from "../recipes/choose-recipe.ts";
import type { Report } from "../report/report-data.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { describePlan } from "./describe-quantization.ts";
import type { InspectOptions } from "./options.ts";
import { inspectTraining } from "../training/inspect-training.ts";
import { describeKept, asksUnquantize } from "./quantized-source.ts";
import { readSource } from "./read-source.ts";
import { startReport } from "./start-report.ts";

/** What a model consists of, what would be quantized, what stays float and why, and what cannot be trained. */
export async function inspect(options: InspectOptions, context: RunContext): Promise<Report> {
  const paths = await commandPaths.inspect(options);
  return withClaim("efqat inspect", paths, context, (claim) => inspectClaimed(options, context, claim));
}

async function inspectClaimed(options: InspectOptions, context: RunContext, claim: Claim): Promise<Report> {
  const start = performance.now();
  const source = await readSource(options.model, options.inputShapes);
  await claim.addReads(dataOfModels(source.model));
  const chosen = chooseRecipe(source.model, options.recipe);
  const { quantized = "keep" } = options.quantization;
  const unquantize = asksUnquantize(source.model, quantized);
  const { model, sizes, quantizers } = await prepareOpen(source.model, { ...context, unquantize });
  const { wbits = 8, abits = 8 } = options.quantization;
  const keeps = quantizers.operators.size > 0 && quantized === "keep";
  const excludeNodes = keeps ? floatLayers(model, options.quantization, quantizers) : undefined;
  const asked = { ...options.quantization, ...(excludeNodes && { excludeNodes }) };
  const planned = planQuantization(model, asked);
  const plan = keeps ? keepBits(planned, quantizers, asked) : planned;
  const weights = plan.weights.map((weight) => ({
    ...weight,
    shape: [...(model.graph.initializers.get(weight.name)?.dims ?? [])],
  }));
  const kept = keeps ? countKept(model, plan, quantizers) : undefined;
  return {
    ...startReport("inspect", options, source, start),
    ...(quantizers.operators.size > 0 ? { warnings: [describeKept(quantizers, kept)] } : {}),
    recipe: describeRecipe(chosen),
    quantization: { wbits, abits, ...describePlan(plan, weights) },
    support: await inspectTraining(model, plan, sizes),
  };
}
