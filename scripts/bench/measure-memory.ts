import { execa } from "execa";
import { fileURLToPath } from "node:url";
import type { Settings } from "./time-model.ts";

/** Peak bytes of processes that only train a model at r = 0.25, by arithmetic. */
export async function measureMemory(
  name: string,
  { arithmetics, threads }: Settings,
): Promise<Record<string, number>> {
  const script = fileURLToPath(new URL("memory-child.ts", import.meta.url));
  const peaks: Record<string, number> = {};
  for (const arithmetic of arithmetics) {
    const run = [script, name, arithmetic, "0.25", String(threads)];
    const child = await execa(process.execPath, ["--import", "tsx", ...run]);
    peaks[arithmetic] = (JSON.parse(child.stdout) as { peakBytes: number }).peakBytes;
  }
  return peaks;
}
