import type { Logger } from "../log.ts";
import type { CustomMetric } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import type { reportOptions, testOptions } from "./options.ts";

/** "exclude-ops" as "excludeOps". */
type Camel<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;

/** Choices that are numbers may be given as numbers. */
type OrNumber<Choice> = Choice extends `${infer Value extends number}` ? Choice | Value : Choice;

interface ValueOfKind {
  number: number;
  /** Bytes, or text with a unit: "2GB". */
  bytes: number | string;
  /** One side, [height, width], or text: "224x320". */
  size: number | string | readonly [height: number, width: number];
  numbers: number | string | readonly number[];
  words: string | readonly string[];
  /** Values by input: `{ x: [1, 3, 224, 224] }`. */
  "by-input": string | Readonly<Record<string, number | string | readonly (number | string)[]>>;
  path: string;
  /** Text, parts of it in a list, or by output: `{ boxes: "smooth-l1:0.5", scores: "kl" }`. */
  measure: string | readonly string[] | Readonly<Record<string, string>>;
}

type ValueOf<Spec> = Spec extends { flag: true }
  ? boolean
  : Spec extends { choices: readonly (infer Choice)[] }
    ? OrNumber<Choice>
    : Spec extends { value: infer Kind extends keyof ValueOfKind }
      ? ValueOfKind[Kind]
      : string;

type Values<Specs> = {
  [Name in keyof Specs as Camel<Name & string>]?: ValueOf<Specs[Name]> | undefined;
} & {
  [Name in keyof Specs as Specs[Name] extends { alias: infer Alias extends string } ? Camel<Alias> : never]?:
    ValueOf<Specs[Name]> | undefined;
};

type RequiredNames<Specs> = {
  [Name in keyof Specs]: Specs[Name] extends { required: true } ? Camel<Name & string> : never;
}[keyof Specs];

type OfGroup<Specs, Group extends string> = {
  [Name in keyof Specs as Specs[Name] extends { group: Group } ? Name : never]: Specs[Name];
};

/** Data and what is done to them: the path and the data options of the command line, under the same names. */
type DataOf<Specs> =
  | string
  | ({ path: string } & Omit<Values<OfGroup<Specs, "Data:">>, "data" | keyof Values<typeof testOptions>>);

type Positional<C extends Command> = C["positional"] extends { name: infer Name extends string }
  ? Record<Name, C["positional"] extends { severalWith: string } ? string | readonly string[] : string> &
      (C["positional"] extends { then: infer Then extends string } ? Partial<Record<Then, string>> : object)
  : object;

type Simple<T> = { [Key in keyof T]: T[Key] };

/** What a command takes but for how a terminal shows its report. */
type OptionsOf<C extends Command> = Omit<C["options"], keyof typeof reportOptions>;

type Request<Specs> = Omit<Values<Specs>, "data" | RequiredNames<Specs>> &
  Required<Pick<Values<Specs>, Exclude<RequiredNames<Specs>, "data"> & keyof Values<Specs>>> &
  DataEntry<Specs> & {
    /** Options of quantization, where they shall stand together. */
    quantization?: Values<OfGroup<Specs, "Quantization:">>;
    /** Options of training, where they shall stand together. */
    training?: Values<OfGroup<Specs, "Training:">>;
  };

/** Data are left out only where something else may stand in for them. */
type DataEntry<Specs> = Specs extends { data: { required: true } }
  ? { data: DataOf<Specs> }
  : "data" extends keyof Specs
    ? { data?: DataOf<Specs> | undefined }
    : object;

/** Metrics may be functions of the caller's own, too. */
type WithOwnMetrics<T> = "metric" extends keyof T
  ? Omit<T, "metric"> & {
      metric?: T["metric"] | CustomMetric | readonly (string | CustomMetric)[] | undefined;
    }
  : T;

/** A command's options as an object: the names of the command line in camel case, values of their own types. */
export type RequestOf<C extends Command> = Simple<WithOwnMetrics<Positional<C> & Request<OptionsOf<C>>>>;

/** Where messages and progress go, and what stops a run. Default: nowhere, and nothing. */
export interface RequestContext {
  /** Gets messages and progress; methods that it lacks are left out. */
  logger?: Partial<Logger> | undefined;
  /** Stops the run within two seconds; the call then throws a {@link UserError} of kind `interrupted`. */
  signal?: AbortSignal | undefined;
}
