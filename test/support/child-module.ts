import { resolve, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { ChildModule } from "../../src/runtime/child-module.ts";
import { compiledPath } from "./compiled.ts";

/** Takes the place of `src/runtime/child-module.ts` in tests: the compiled module, which starts sooner. */
export function childModule(name: string, url: string): ChildModule {
  const source = fileURLToPath(new URL(`${name}.ts`, url));
  return { file: compiledPath(relative(resolve(import.meta.dirname, "../.."), source)), execArgv: [] };
}
