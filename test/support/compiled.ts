import { resolve } from "node:path";

/** Where tests keep the product as JavaScript. */
const folder = resolve(import.meta.dirname, "../../build/compiled");

/** The JavaScript of a source file, given by its path from the root of the repository; see compile-sources.ts. */
export const compiledPath = (source: string): string => resolve(folder, source.replace(/\.ts$/, ".js"));
