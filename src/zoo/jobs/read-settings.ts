import { isAbsolute } from "node:path";

/**
 * The options of a report, defaults included, as names with their values: { a: { b: 1 } } is "a.b": "1". Paths are left out,
 * which differ between machines without meaning anything.
 */
export function readSettings(
  options: Readonly<Record<string, unknown>>,
  prefix = "",
): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(options)) {
    const full = `${prefix}${name}`;
    if (isGroup(value)) Object.assign(settings, readSettings(value, `${full}.`));
    else if (typeof value === "string" && !isAbsolute(value)) settings[full] = value;
    else if (typeof value !== "string" && value !== undefined) settings[full] = JSON.stringify(value);
  }
  return settings;
}

const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
