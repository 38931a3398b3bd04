import type { Report } from "../report/report-data.ts";
import { findCommand } from "./parse.ts";

/**
 * The words of a command that goes on from an exported model, with the options that files beside its weights stand for, as
 * far as the command takes them and they are not given.
 */
export function handOn(words: readonly string[], { imported }: Report): string[] {
  const options = findCommand(words[0])?.options ?? {};
  const missing = Object.entries(imported?.suggested ?? {}).filter(
    ([name]) => options[name] !== undefined && !words.some((word) => word.split("=")[0] === `--${name}`),
  );
  return [...words, ...missing.map(([name, path]) => `--${name}=${path}`)];
}
