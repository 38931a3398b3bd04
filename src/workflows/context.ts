import { type Claim, claimPaths } from "../claims/claim-paths.ts";
import type { CommandPaths } from "../claims/paths.ts";
import type { Logger } from "../log.ts";
import type { RuntimeOptions } from "../runtime/session.ts";
import type { CustomMetric } from "../training/metrics/module-metric.ts";
import { requireTemporaryFolder } from "../runtime/temporary-directory.ts";

export type { RuntimeOptions } from "../runtime/session.ts";

/** What every workflow is given besides its own options. */
export interface RunContext {
  logger: Logger;
  signal: AbortSignal;
  /** Metrics of a caller's own. */
  metrics?: readonly CustomMetric[];
  /**
   * Claims what the workflow reads and writes; default: `claimPaths`, released when the workflow ends. A caller who writes
   * files of its own claims them along and releases the claim itself.
   */
  claim?: (paths: CommandPaths) => Promise<Claim>;
}

/** Runs `work` while the paths of a command are claimed: nothing it writes is read or written by anyone else. */
export async function withClaim<T>(
  command: string,
  paths: CommandPaths,
  context: RunContext,
  work: (claim: Claim) => Promise<T>,
): Promise<T> {
  if (paths.files.length + paths.folders.length > 0) await requireTemporaryFolder();
  if (context.claim !== undefined) return work(await context.claim(paths));
  const claim = await claimPaths(paths, { command });
  try {
    return await work(claim);
  } finally {
    await claim.release();
  }
}

/** What a session takes of a workflow's options. */
export const sessionOptionsOf = ({ provider, threads }: RuntimeOptions): RuntimeOptions => ({
  provider,
  threads,
});
