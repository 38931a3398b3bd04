import { execa } from "execa";
import { fileURLToPath } from "node:url";
import type { Settings } from "./time-model.ts";

/** Peak bytes of processes that only train a model at r = 0.25, by kind of forward. */
export async function measureMemory(
  name: string,
  { forwards, threads }: Settings,
): Promise<Record<string, number>> {
  const script = fileURLToPath(new URL("memory-child.ts", import.meta.url));
  const peaks: Record<string, number> = {};
  for (const forward of forwards) {
    const run = [script, name, forward, "0.25", String(threads)];
    const child = await execa(process.execPath, ["--import", "tsx", ...run]);
    peaks[forward] = (JSON.parse(child.stdout) as { peakBytes: number }).peakBytes;
  }
  return peaks;
}
