import { createRequire } from "node:module";
import { extname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** A module of this package as the entry of a process: its file, and what Node needs to run it. */
export interface ChildModule {
  file: string;
  execArgv: string[];
}

/** `name` beside the module at `url`: compiled JavaScript, or TypeScript through tsx where sources are running. */
export function childModule(name: string, url: string): ChildModule {
  const extension = extname(fileURLToPath(url));
  const file = fileURLToPath(new URL(`${name}${extension}`, url));
  return { file, execArgv: extension === ".ts" ? ["--import", loaderUrl()] : [] };
}

const loaderUrl = (): string => pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
