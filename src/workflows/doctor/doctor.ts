import type { InstallationSection, Report } from "../../report/report-data.ts";
import { availableProviders, bundledProviders } from "../../runtime/providers.ts";
import { parseProvider } from "../../runtime/provider-spec.ts";
import { withTemporaryDirectory } from "../../runtime/temporary-directory.ts";
import { environmentError } from "../../errors.ts";
import type { RunContext } from "../context.ts";
import { startReport } from "../start-report.ts";
import { checkInstallation, type InstallationOptions } from "./check-installation.ts";
import { writeProbe } from "./probe-network.ts";
import { type ProbeResults, tryProvider } from "./try-provider.ts";

export interface DoctorOptions extends InstallationOptions {
  /** Providers to try, with their options; default: all that ONNX Runtime was built with. */
  providers: readonly string[] | undefined;
  /** Seconds that each attempt on a provider may take. */
  seconds: number;
}

/** What this installation has, what runs on it, and the remedy for what does not. Reads and writes nothing of the user's. */
export async function doctor(options: DoctorOptions, context: RunContext): Promise<Report> {
  const start = performance.now();
  const { logger, signal } = context;
  const checks = await checkInstallation(options);
  const asked = options.providers ?? availableProviders();
  const providers = await withTemporaryDirectory(async (folder) => {
    const files = await writeProbe(folder);
    const rows: InstallationSection["providers"] = [];
    let reference: ProbeResults = {};
    for (const provider of ["cpu", ...asked.filter((name) => name !== "cpu")]) {
      logger.progress(`trying ${provider}`, rows.length, asked.length);
      if (!availableProviders().includes(parseProvider(provider).name)) {
        rows.push(notThere(provider));
        continue;
      }
      const bundled = bundledProviders().includes(parseProvider(provider).name);
      const { row, results } = await tryProvider(provider, bundled, reference, {
        files,
        signal,
        seconds: options.seconds,
      });
      if (provider === "cpu") reference = results;
      rows.push(row);
    }
    return rows;
  });
  const installation = { checks, providers };
  requireCpu(installation);
  return {
    ...startReport("doctor", options, undefined, start),
    installation,
    unmet: unmetOf(installation, options.providers ?? []),
  };
}

const notThere = (provider: string): InstallationSection["providers"][number] => ({
  provider,
  bundled: false,
  model: { state: "not tried", why: "this ONNX Runtime was built without it" },
  training: { state: "not tried" },
  remedy: `This system's onnxruntime-node has ${availableProviders().join(", ")}.`,
});

/** Without the CPU nothing works at all. */
function requireCpu({ providers }: InstallationSection): void {
  const cpu = providers.find(({ provider }) => provider === "cpu");
  const failed = [cpu?.model, cpu?.training].find((each) => each?.state !== "works");
  if (failed === undefined) return;
  throw environmentError(
    "runtime",
    `ONNX Runtime does not work on this machine: ${failed.why ?? failed.state}`,
    "provider cpu",
    "Install onnxruntime-node again, for this system and processor.",
  );
}

/** What is missing of what every command needs, and providers that were asked for by name. */
function unmetOf({ checks, providers }: InstallationSection, asked: readonly string[]): string[] {
  const parts = checks
    .filter(({ state }) => state === "missing")
    .map(({ part, found }) => `${part}: ${found}`);
  const failed = providers.filter(
    ({ provider, model, training }) =>
      asked.includes(provider) && (model.state !== "works" || training.state !== "works"),
  );
  return [...parts, ...failed.map(({ provider }) => `the provider ${provider} does not work here`)];
}
