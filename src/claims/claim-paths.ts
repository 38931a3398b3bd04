import { usageError } from "../errors.ts";
import { type Read, refuseCollisions, refuseOverwriting, type Target } from "./find-conflicts.ts";
import { LockedOutputs } from "./locked-outputs.ts";
import type { CommandPaths, ReadPath } from "./paths.ts";
import { isStream, resolvePath } from "./resolve.ts";
import { resolveFile, resolveFolder } from "./resolve-targets.ts";

export interface ClaimOptions {
  /** What other runs are told of this one. */
  command: string;
  /** Whether files that exist may be replaced. Default: they may. */
  clobber?: boolean;
}

/** The paths of a command, found to be apart from each other and locked against other runs. */
export interface Claim {
  /** Whether all that the command reads is known: nothing of it can be overwritten any more. */
  readonly complete: boolean;
  /** Adds what the command turned out to read, the last time with `complete`. Throws usage/overwrite. */
  addReads(reads: readonly ReadPath[]): Promise<void>;
  /** Unlocks the outputs; folders that were made for them and hold nothing are removed. */
  release(): Promise<void>;
}

/**
 * Checks what a command is going to write against all that it reads and against each other, links, hard links and the
 * case of names considered; makes the folders of outputs, locks each output against other runs, and removes temporary
 * files that runs before left beside it. Nothing else is written. Throws usage/overwrite, usage/same-output,
 * usage/output-path, usage/exists, environment/in-use and environment/write.
 */
export async function claimPaths(paths: CommandPaths, options: ClaimOptions): Promise<Claim> {
  const files = paths.files.filter((file) => file.stream !== true || !isStream(file.path));
  const targets = await Promise.all(files.map(resolveFile));
  const parts = (await Promise.all(paths.folders.map((folder) => resolveFolder(folder, targets)))).flat();
  const all = [...targets, ...parts];
  refuseOverwriting(all, await resolveReads(paths.reads));
  refuseCollisions(all);
  if (options.clobber === false) refuseExisting(all);
  const locked = new LockedOutputs(options.command);
  try {
    for (const [index, target] of targets.entries()) await locked.takeFile(target, files[index]?.sweep);
    for (const folder of paths.folders) if (folder.shared !== true) await locked.takeFolder(folder);
  } catch (error) {
    await locked.release();
    throw error;
  }
  let complete = false;
  return {
    get complete() {
      return complete;
    },
    async addReads(reads) {
      refuseOverwriting(all, await resolveReads(reads));
      complete = true;
    },
    release: () => locked.release(),
  };
}

const resolveReads = (reads: readonly ReadPath[]): Promise<Read[]> =>
  Promise.all(reads.map(async (read) => ({ ...read, ...(await resolvePath(read.path)) })));

function refuseExisting(targets: readonly Target[]): void {
  const there = targets.find(({ stats, folder }) => stats !== undefined && folder?.guarded !== true);
  if (there === undefined) return;
  throw usageError(
    "exists",
    `${there.option} names a file that exists, and --no-clobber keeps it`,
    there.path,
    "Give another path, or leave --no-clobber out.",
  );
}
