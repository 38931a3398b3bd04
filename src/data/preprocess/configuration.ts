import { dataError, type UserError } from "../../errors.ts";
import type { DataSpec, PixelRules, SoundRules } from "../spec.ts";

/** A JSON object of unknown content. */
export type Configuration = Readonly<Record<string, unknown>>;

export const isConfiguration = (value: unknown): value is Configuration =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What a file of preprocessing says. */
export interface Preprocessing {
  fields: Pick<DataSpec, "resize" | "crop" | "mean" | "std">;
  pixels?: PixelRules;
  sound?: SoundRules;
}

/** Reads fields of a configuration; what has another type than it must have is an error that names it. */
export class FieldReader {
  readonly path: string;
  readonly #fields: Configuration;

  constructor(fields: Configuration, path: string) {
    this.#fields = fields;
    this.path = path;
  }

  /** Whether a field is there and not null. */
  has(name: string): boolean {
    return Object.hasOwn(this.#fields, name) && this.#fields[name] !== null;
  }

  /** Any value but null. */
  value(name: string): unknown {
    return this.has(name) ? this.#fields[name] : undefined;
  }

  flag(name: string, otherwise: boolean): boolean {
    if (!Object.hasOwn(this.#fields, name)) return otherwise;
    return this.#fields[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === "string") return value;
    throw this.wrong(name, "a text");
  }

  number(name: string): number | undefined {
    const value = this.value(name);
    if (value === undefined || (typeof value === "number" && Number.isFinite(value))) return value;
    throw this.wrong(name, "a number");
  }

  /** A number above 0. */
  positive(name: string): number | undefined {
    const value = this.number(name);
    if (value === undefined || value > 0) return value;
    throw this.wrong(name, "above 0");
  }

  numbers(name: string): number[] | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (
      list.length > 0 &&
      list.length <= 64 &&
      list.every((each) => typeof each === "number" && Number.isFinite(each))
    )
      return list as number[];
    throw this.wrong(name, "numbers, one or one per channel");
  }

  wrong(name: string, wanted: string): UserError {
    return dataError(
      "preprocess",
      `"${name}" is ${JSON.stringify(this.#fields[name]).slice(0, 80)}, and should be ${wanted}`,
      this.path,
      "Correct the file, or say it by options: --resize, --crop, --mean, --std.",
    );
  }

  /** The error of something that is asked for and not done here. */
  unsupported(what: string): UserError {
    return dataError(
      "preprocess",
      `The file asks for ${what}, which is not done here`,
      this.path,
      "Preprocess the samples as for training, and save them: numpy.save('x.npy', samples).",
    );
  }
}

/** Whether a size is a whole number of pixels. */
export const isExtent = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0 && value <= 2 ** 16;
