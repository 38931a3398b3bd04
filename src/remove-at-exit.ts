import { rmSync } from "node:fs";

/** Files and folders of this process that must not outlive it. One listener serves all of them. */
const paths = new Set<string>();

const removeAll = (): void => {
  for (const path of paths) rmSync(path, { recursive: true, force: true });
};

/** Removes a file or folder when the process exits before the returned function is called. */
export function removeAtExit(path: string): () => void {
  if (paths.size === 0) process.once("exit", removeAll);
  paths.add(path);
  return () => {
    paths.delete(path);
    if (paths.size === 0) process.removeListener("exit", removeAll);
  };
}
