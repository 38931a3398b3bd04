import { stat } from "node:fs/promises";
import type { Dataset } from "../../data/dataset.ts";
import type { DataSpec } from "../../data/spec.ts";
import type { InputShapes } from "../../passes/bind-inputs.ts";
import { openModelData } from "../open-data.ts";
import { readSource, type Source } from "../read-source.ts";
import { checkDataPath, trySample } from "./check-data.ts";
import { checkOutput, checkProvider, type PlannedOutput } from "./check-machine.ts";
import { Findings } from "./findings.ts";

/** What a command begins with. */
export interface StartOptions {
  /** Path of the model. */
  model: string;
  data: DataSpec;
  inputShapes?: InputShapes | undefined;
  provider?: string | undefined;
  /** The output that is judged, where one is asked for. */
  output?: string | undefined;
}

/**
 * Checks what a command begins with: that the provider is there, that outputs can be written and have room, that the model
 * can be read and its data fit it. Returns model and data. Throws one error for all that is wrong.
 */
export async function checkStart(
  { model, data, inputShapes, provider, output }: StartOptions,
  places: readonly PlannedOutput[] = [],
): Promise<{ source: Source; dataset: Dataset }> {
  const findings = new Findings();
  await findings.attempt(() => checkProvider(provider));
  const bytes = (await stat(model).catch(() => undefined))?.size ?? 0;
  const source = await findings.attempt(() => readSource(model, inputShapes));
  for (const place of places) await findings.attempt(() => checkOutput(place, source?.bytes ?? bytes));
  const dataset = await findings.attempt(async () => {
    // Without the model's inputs all that is known of the data is whether they are there.
    if (source === undefined) return checkDataPath(data.path);
    const opened = await openModelData(source.model, data, output);
    await trySample(opened);
    return opened;
  });
  findings.throwAny();
  return { source: source as Source, dataset: dataset as Dataset };
}
