import { usageError } from "../errors.ts";
import type { OptionReader } from "./option-reader.ts";

/** --input-shape: sizes by input; a word or -1 leaves a dimension as the model has it. */
export function readInputShapes(options: OptionReader): Record<string, number[]> | undefined {
  return readByInput(options, "input-shape", "x=1,3,224,224", (part) =>
    /^-?\d+$/.test(part) ? Number(part) : /^[A-Za-z?]/.test(part) ? -1 : undefined,
  );
}

/** --batch-axis: the dimension that counts samples, by input. */
export function readBatchAxes(options: OptionReader): Record<string, number> | undefined {
  const axes = readByInput(options, "batch-axis", "state=1", (part) =>
    /^\d+$/.test(part) ? Number(part) : undefined,
  );
  if (axes === undefined) return undefined;
  return Object.fromEntries(Object.entries(axes).map(([name, [axis = 0]]) => [name, axis]));
}

/** --set: values of inputs that the data do not feed. */
export function readSetInputs(options: OptionReader): Record<string, number[]> | undefined {
  return readByInput(options, "set", "sr=16000", (part) =>
    part === "" || Number.isNaN(Number(part)) ? undefined : Number(part),
  );
}

/** --columns: columns of a table, by the input that they feed. */
export function readColumns(options: OptionReader): Record<string, string[]> | undefined {
  return readByInput(options, "columns", "x=width,height", (part) => (part === "" ? undefined : part));
}

/** NAME=VALUE,VALUE,NAME=VALUE: a part with an equals sign begins the next input. */
export function readByInput<T>(
  options: OptionReader,
  option: string,
  example: string,
  parse: (part: string) => T | undefined,
): Record<string, T[]> | undefined {
  const text = options.text(option);
  if (text === undefined) return undefined;
  const found = new Map<string, T[]>();
  let values: T[] | undefined;
  for (const part of text.split(",")) {
    const at = part.lastIndexOf("=");
    if (at > 0) found.set(part.slice(0, at).trim(), (values = []));
    const value = parse(part.slice(at + 1).trim());
    if (values === undefined || value === undefined) {
      throw usageError(
        option,
        `The value of --${option} is "${text}"`,
        `--${option}`,
        `Give NAME=VALUES, for example --${option} ${example}; inputs are separated by commas.`,
      );
    }
    values.push(value);
  }
  return Object.fromEntries(found);
}

/** Options by input that are given several times are one option. */
export function joinRepeated(args: readonly string[], names: readonly string[]): string[] {
  const joined: string[] = [];
  const places = new Map<string, number>();
  for (let at = 0; at < args.length; at++) {
    const [flag = "", ...rest] = (args[at] as string).split("=");
    const name = names.find((option) => flag === `--${option}`);
    const own = rest.length > 0 ? rest.join("=") : undefined;
    const value = own ?? args[at + 1];
    if (name === undefined || value === undefined) {
      joined.push(args[at] as string);
      continue;
    }
    if (own === undefined) at++;
    const place = places.get(name);
    if (place !== undefined) joined[place] += `,${value}`;
    else places.set(name, joined.push(`--${name}=${value}`) - 1);
  }
  return joined;
}
