import { type UserError, usageError } from "../errors.ts";

/** Option values as yargs leaves them: text, or true and false for switches. */
export type OptionValues = Readonly<Record<string, unknown>>;

export interface NumberRange {
  min?: number;
  max?: number;
  /** The minimum itself is not allowed. */
  open?: boolean;
  integer?: boolean;
}

/** Reads options by name; a value of the wrong form is a usage error that names the option. */
export class OptionReader {
  readonly #values: OptionValues;

  constructor(values: OptionValues) {
    this.#values = values;
  }

  /** All options by name, as they were given or by default. */
  given(): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(this.#values).filter(
        ([name, value]) => /^[a-z0-9-]+$/.test(name) && value !== undefined && value !== false,
      ),
    );
  }

  /** The same options with another value of one. */
  with(name: string, value: string): OptionReader {
    return new OptionReader({ ...this.#values, [name]: value });
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  }

  /** An option that the command line was found to have, or that has a default. */
  needText(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw wrong(name, "is missing", "Give it a value.");
    return value;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** One of `choices`, which the parser has already checked. */
  choice<T extends string>(name: string, choices: readonly T[]): T {
    const value = this.needText(name);
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw wrong(name, `is "${value}"`, `Choose ${choices.join(", ")}.`);
    return found;
  }

  number(name: string, range: NumberRange = {}): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseNumber(name, text, range);
  }

  needNumber(name: string, range: NumberRange = {}): number {
    return parseNumber(name, this.needText(name), range);
  }

  /** Numbers separated by commas. */
  numbers(name: string, range: NumberRange = {}): number[] | undefined {
    return this.text(name)
      ?.split(",")
      .map((part) => parseNumber(name, part.trim(), range));
  }

  /** Words separated by commas. */
  words(name: string): string[] | undefined {
    return this.text(name)
      ?.split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
  }

  /** A number of bytes with a unit: "800MB", "1.5 GB", "2GiB". */
  bytes(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?) ?([kMGT]i?B)$/i.exec(text.trim()) ?? [];
    const power = "kmgt".indexOf(unit.charAt(0).toLowerCase()) + 1;
    const value = Number(digits) * (unit.length === 3 ? 1024 : 1000) ** power;
    if (unit !== "" && value > 0) return value;
    throw wrong(name, `is "${text}"`, "Give a size with its unit, such as 800MB or 2GB.");
  }

  /** "224" or "224x320" (height x width). */
  size(name: string): number | [number, number] | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const parts = text.split("x").map((part) => parseNumber(name, part, { min: 1, integer: true }));
    const [height, width] = parts;
    if (height !== undefined && parts.length === 1) return height;
    if (height !== undefined && width !== undefined && parts.length === 2) return [height, width];
    throw wrong(name, `is "${text}"`, "Give one number, or HEIGHTxWIDTH.");
  }
}

function parseNumber(name: string, text: string, range: NumberRange): number {
  const value = text === "" ? NaN : Number(text);
  const { min = -Infinity, max = Infinity, open = false, integer = false } = range;
  const inside = Number.isFinite(value) && value <= max && (open ? value > min : value >= min);
  if (inside && (!integer || Number.isInteger(value))) return value;
  throw wrong(name, `is "${text}"`, `Give ${describeRange(range)}.`);
}

function describeRange({ min, max, open, integer }: NumberRange): string {
  const kind = integer === true ? "a whole number" : "a number";
  if (min !== undefined && max !== undefined) return `${kind} from ${min} to ${max}`;
  if (min !== undefined) return `${kind} ${open === true ? "above" : "of at least"} ${min}`;
  return max === undefined ? kind : `${kind} of at most ${max}`;
}

function wrong(name: string, what: string, hint: string): UserError {
  return usageError(name, `The value of --${name} ${what}`, `--${name}`, hint);
}
