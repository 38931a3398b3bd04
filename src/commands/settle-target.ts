import type { Logger } from "../log.ts";
import { kernelsSaturate } from "../workflows/index.ts";
import type { OptionReader } from "./option-reader.ts";

/**
 * Options with the target of this machine where `--target auto` leaves it open: ONNX Runtime's CPU provider, with or
 * without kernels that saturate. Says so where they do.
 */
export async function settleTarget(
  options: OptionReader,
  logger: Pick<Logger, "debug" | "warn">,
): Promise<OptionReader> {
  const asked = options.text("target");
  if (asked !== "auto" && asked !== "ort-cpu") return options;
  const saturates = await kernelsSaturate();
  if (asked === "auto") {
    if (saturates)
      logger.debug(`${why}: files are for ort-cpu-no-vnni, and right on all others too (--target).`);
    return options.with("target", await targetOfMachine());
  }
  if (saturates)
    logger.warn(
      `${why}. A file for ort-cpu is judged here as on processors whose kernels do not; on this one use --target ort-cpu-no-vnni.`,
    );
  return options;
}

/** The target that `--target auto` stands for on this machine. */
export const targetOfMachine = async (): Promise<string> =>
  (await kernelsSaturate()) ? "ort-cpu-no-vnni" : "ort-cpu";

const why =
  "This processor has no VNNI instructions, and ONNX Runtime's 8-bit kernels saturate sums of large products on it";
