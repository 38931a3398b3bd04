import { usageError } from "../errors.ts";
import type { OptionSpec } from "./options.ts";

type Specs = Readonly<Record<string, OptionSpec>>;

/** Names under which options may stand together in a request; the data are an object with their path. */
const sections = new Set(["quantization", "training"]);

/** Names of a data specification that the command line calls otherwise. */
const dataNames: Readonly<Record<string, string>> = { path: "data", timeout: "data-timeout" };

/**
 * Options given as an object (in a library call or a configuration file) as words of a command line, so that they are
 * checked and read in one way. Names may be in camel case. What is unknown passes, and is refused with the words.
 */
export function requestWords(request: Readonly<Record<string, unknown>>, specs: Specs): string[] {
  return Object.entries(request).flatMap(([key, value]) => {
    if (value === undefined || value === null) return [];
    if (sections.has(key) && !Object.hasOwn(specs, key))
      return requestWords(requireObject(key, value), specs);
    const name = optionName(key);
    if (name === "data" && typeof value === "object") return dataWords(requireObject(key, value), specs);
    return optionWords(name, value, Object.hasOwn(specs, name) ? specs[name] : undefined);
  });
}

/** "excludeOps" as "exclude-ops". */
export const optionName = (key: string): string =>
  key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function dataWords(data: Readonly<Record<string, unknown>>, specs: Specs): string[] {
  const renamed = Object.entries(data).map(([key, value]) => [
    Object.hasOwn(dataNames, key) ? (dataNames[key] as string) : key === "batchAxes" ? "batchAxis" : key,
    value,
  ]);
  return requestWords(Object.fromEntries(renamed) as Record<string, unknown>, specs);
}

function optionWords(name: string, value: unknown, spec: OptionSpec | undefined): string[] {
  if (typeof value === "boolean" && (spec === undefined || spec.flag === true))
    return value ? [`--${name}`] : [];
  return [`--${name}=${optionText(name, value, spec?.value)}`];
}

/** The text of a value on the command line. */
function optionText(name: string, value: unknown, kind: OptionSpec["value"]): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return kind === "bytes" ? `${value / 1000}kB` : String(value);
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return Array.from(value as ArrayLike<unknown>, (part) => optionText(name, part, undefined)).join(
      kind === "size" ? "x" : ",",
    );
  if (typeof value === "object" && value !== null && (kind === "by-input" || kind === "measure"))
    return Object.entries(value)
      .map(([input, values]) => `${input}=${optionText(name, values, undefined)}`)
      .join(",");
  const what = typeof value === "object" ? "an object" : `a ${typeof value}`;
  throw usageError(name, `The value of --${name} is ${what}`, `--${name}`, "Give text, a number or a list.");
}

function requireObject(name: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  const what = Array.isArray(value) ? "a list" : `a ${typeof value}`;
  throw usageError(name, `"${name}" is ${what}`, name, "It holds options by name.");
}
