import { stat } from "node:fs/promises";
import { encodingsOf } from "../audit/encodings-of.ts";
import { type EncodingsFormat, writeEncodings } from "../calibration/encodings/write-encodings.ts";
import { unsupportedError } from "../errors.ts";
import type { Report } from "../report/report-data.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import type { EncodingsOptions } from "./options.ts";
import { readSource } from "./read-source.ts";
import { startReport } from "./start-report.ts";
import { writeText } from "./write-text.ts";

export { encodingsFormats } from "../calibration/encodings/write-encodings.ts";

/** Writes the scales and offsets of a quantized model in another tool's format. */
export async function exportEncodings(options: EncodingsOptions, context: RunContext): Promise<Report> {
  const paths = await commandPaths.encodings(options);
  return withClaim("efqat encodings", paths, context, async (claim) => {
    const start = performance.now();
    const source = await readSource(options.model);
    await claim.addReads(dataOfModels(source.model));
    const found = encodingsOf(source.model);
    const [activations, weights] = [found.activations.size, found.weights.size];
    if (activations + weights === 0)
      throw unsupportedError(
        "not-quantized",
        "The model holds no QuantizeLinear or DequantizeLinear with constant scales",
        options.model,
        "Give a quantized model, as efqat quantize writes it.",
      );
    await writeText(options.out, writeEncodings(found, options.format satisfies EncodingsFormat));
    return {
      ...startReport("encodings", options, source, start),
      output: { path: options.out, bytes: (await stat(options.out)).size },
      encodings: { format: options.format, activations, weights },
      warnings: found.skipped.length === 0 ? [] : [skippedWarning(found.skipped)],
    };
  });
}

const skippedWarning = (names: readonly string[]): string =>
  `${names.length} quantizers have no form in such a file and were left out, such as that of "${names[0] ?? ""}": scales by block, or ones that are computed.`;
