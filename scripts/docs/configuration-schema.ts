import type { Command } from "../../src/commands/command.ts";
import { commands } from "../../src/commands/index.ts";
import type { OptionSpec } from "../../src/commands/options.ts";

type Schema = Readonly<Record<string, unknown>>;

const list = (items: Schema): Schema => ({ type: "array", items });
const anyOf = (...schemas: Schema[]): Schema => ({ anyOf: schemas });
const number: Schema = { type: "number" };
const text: Schema = { type: "string" };

const kinds: Readonly<Record<NonNullable<OptionSpec["value"]>, Schema>> = {
  number,
  bytes: anyOf(number, text),
  size: anyOf(number, text, { ...list(number), minItems: 2, maxItems: 2 }),
  numbers: anyOf(number, text, list(number)),
  words: anyOf(text, list(text)),
  "by-input": anyOf(text, {
    type: "object",
    additionalProperties: anyOf(number, text, list(anyOf(number, text))),
  }),
  path: text,
  measure: anyOf(text, list(text), { type: "object", additionalProperties: text }),
};

/** JSON Schema of configuration files: one kind of object for each command. */
export function configurationSchema(): Schema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "efqat configuration",
    type: "object",
    properties: { command: { enum: runnable().map(({ name }) => name) } },
    required: ["command"],
    oneOf: runnable().map(commandSchema),
  };
}

const runnable = (): Command[] => commands.filter(({ print }) => print === undefined);

function commandSchema({ name, positional, describe, options }: Command): Schema {
  const own = Object.entries(options).filter(([option]) => option !== "config");
  const values = Object.fromEntries(
    own.flatMap(([option, spec]) =>
      [option, camelCase(option), spec.alias].flatMap((key) =>
        key === undefined ? [] : [[key, valueSchema(option, spec, options)] as const],
      ),
    ),
  );
  return {
    title: describe,
    properties: {
      command: { const: name },
      ...(positional === undefined
        ? {}
        : { [positional.name]: { ...text, description: positional.describe } }),
      ...values,
      quantization: sectionSchema("Quantization:", options),
      training: sectionSchema("Training:", options),
    },
    additionalProperties: false,
  };
}

const sectionSchema = (group: string, options: Command["options"]): Schema => ({
  type: "object",
  description: `Options of ${group.toLowerCase().replace(":", "")}, where they shall stand together.`,
  properties: Object.fromEntries(
    Object.entries(options)
      .filter(([, spec]) => spec.group === group)
      .flatMap(([option, spec]) =>
        [option, camelCase(option)].map((key) => [key, valueSchema(option, spec, options)] as const),
      ),
  ),
  additionalProperties: false,
});

function valueSchema(option: string, spec: OptionSpec, options: Command["options"]): Schema {
  const found: Schema = spec.flag
    ? { type: "boolean" }
    : spec.choices === undefined
      ? spec.value === undefined
        ? text
        : kinds[spec.value]
      : {
          enum: spec.choices.flatMap((choice) =>
            /^\d+$/.test(choice) ? [choice, Number(choice)] : [choice],
          ),
        };
  const value = option === "data" ? anyOf(found, dataSchema(options)) : found;
  const fallback = spec.default === undefined ? {} : { default: spec.default };
  return { ...value, description: spec.describe, ...fallback };
}

const dataSchema = (options: Command["options"]): Schema => ({
  type: "object",
  properties: {
    path: text,
    ...Object.fromEntries(
      Object.entries(options)
        .filter(([option, { group }]) => group === "Data:" && option !== "data" && option !== "test")
        .flatMap(([option, spec]) =>
          [option, camelCase(option)].map((key) => [key, valueSchema(option, spec, options)] as const),
        ),
    ),
  },
  required: ["path"],
  additionalProperties: false,
});

const camelCase = (name: string): string =>
  name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
