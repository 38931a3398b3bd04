import { dataError, usageError } from "../../errors.ts";
import { isImageName } from "../loaders/image-folder.ts";
import type { ModelInput } from "../model-input.ts";
import type { DataSpec } from "../spec.ts";
import { holdsNumbers } from "./cell-numbers.ts";
import type { FedColumns } from "./column-array.ts";
import { findLabelColumn } from "./column-labels.ts";
import { holdsImage } from "./image-column.ts";
import type { Cell, Table } from "./table.ts";

/** Which columns of a table feed what. */
export type Binding = { label: string | undefined } & (
  | { kind: "images"; column: string }
  | { kind: "text"; columns: readonly string[] }
  | { kind: "numbers"; feeds: FedColumns[] }
);

/** Names in --columns that are no model inputs. */
const roles = ["label", "image", "text"] as const;

/** Columns that number or name rows: no features, unless they are asked for. */
const rowNames = new Set(["", "id", "idx", "index", "unnamed: 0", "__index_level_0__"]);

/** What texts are mostly called. */
const textNames = ["text", "sentence", "content", "review"];

/** What two texts that go together are called in public data sets. */
const textPairs = [
  ["sentence1", "sentence2"],
  ["premise", "hypothesis"],
  ["question1", "question2"],
  ["question", "sentence"],
  ["query", "passage"],
] as const;

/** What pictures are mostly called. */
const imageNames = ["image", "img", "picture", "file", "filename", "file_name", "path", "image_path"];

/**
 * Finds the columns of a table that feed the inputs: those that --columns names, those named as inputs, a column of pictures,
 * or else all numbers beside the label. Throws UserError data/names where none is found for an input.
 */
export async function bindColumns(
  table: Table,
  inputs: readonly ModelInput[],
  spec: DataSpec,
): Promise<Binding> {
  const asked = checkAsked(table, inputs, spec.columns ?? {});
  const free = table.columns.filter((column) => !inputs.some(({ name }) => name === column));
  const label = asked.get("label")?.[0] ?? findLabelColumn(free);
  const used = new Set([...asked.values()].flat());
  const left = table.columns.filter((column) => column !== label && !used.has(column));
  const first = await firstCells(table, left);
  const image = asked.get("image")?.[0] ?? findImages(inputs, table, left, first);
  if (image !== undefined) return { label, kind: "images", column: image };
  if (spec.tokenizer !== undefined)
    return { label, kind: "text", columns: textColumns(asked.get("text"), table, left, first) };
  const rest = left.filter((column) => free.includes(column));
  const numbers = rest.filter(
    (column) => !rowNames.has(column.toLowerCase()) && holdsNumbers(first.get(column)),
  );
  const feeds = inputs.map((input) => {
    const own = asked.get(input.name) ?? (table.columns.includes(input.name) ? [input.name] : undefined);
    const columns = own ?? (inputs.length === 1 && numbers.length > 0 ? numbers : undefined);
    if (columns !== undefined) return { input, columns };
    const text = rest.find((column) => typeof first.get(column) === "string");
    throw dataError(
      "names",
      `The table has the columns ${table.columns.join(", ") || "(none)"} but none for the model input "${input.name}"`,
      table.path,
      `Name columns after model inputs, or say what feeds it: --columns ${input.name}=COLUMN.${text === undefined ? "" : textHint(text)}`,
    );
  });
  return { label, kind: "numbers", feeds };
}

/** The column of texts, or the two whose texts go together. */
function textColumns(
  asked: readonly string[] | undefined,
  { path }: Table,
  columns: readonly string[],
  first: ReadonlyMap<string, Cell>,
): readonly string[] {
  if (asked !== undefined && asked.length <= 2) return asked;
  if (asked !== undefined)
    throw usageError(
      "columns",
      `--columns text names ${asked.length} columns`,
      "--columns",
      "Give one, or a pair.",
    );
  const found = columns.filter((column) => typeof first.get(column) === "string");
  const pair = textPairs.find((names) => names.every((name) => found.includes(name)));
  if (pair !== undefined) return pair;
  const named = textNames.find((name) => found.includes(name)) ?? (found.length === 1 ? found[0] : undefined);
  if (named !== undefined) return [named];
  throw dataError(
    "names",
    found.length === 0
      ? "The table has no column of texts"
      : `The columns ${found.join(", ")} all hold texts`,
    path,
    "Say which one feeds the model, or which two as a pair: --columns text=COLUMN or text=COLUMN,COLUMN.",
  );
}

const textHint = (column: string): string =>
  ` Column "${column}" holds text, which --tokenizer makes tokens of.`;

/** What --columns asks for, once all of it is known to exist. */
function checkAsked(
  table: Table,
  inputs: readonly ModelInput[],
  columns: Readonly<Record<string, readonly string[]>>,
): ReadonlyMap<string, readonly string[]> {
  const asked = new Map(Object.entries(columns));
  const names = [...inputs.map(({ name }) => name), ...roles];
  for (const [name, chosen] of asked) {
    if (!names.includes(name))
      throw usageError(
        "columns",
        `--columns feeds "${name}", which is no input of the model`,
        "--columns",
        `Give one of ${names.join(", ")}.`,
      );
    const missing = chosen.find((column) => !table.columns.includes(column));
    if (missing !== undefined)
      throw dataError(
        "names",
        `The table has no column "${missing}"; it has: ${table.columns.join(", ")}`,
        table.path,
        "Correct --columns.",
      );
  }
  return asked;
}

async function firstCells(table: Table, columns: readonly string[]): Promise<Map<string, Cell>> {
  if (table.length === 0) return new Map();
  const cells = await table.read([0], columns);
  return new Map(columns.map((column, at) => [column, cells[at]?.[0]]));
}

/** The column of pictures for a model with one input of pictures. */
function findImages(
  [input, ...others]: readonly ModelInput[],
  { path }: Table,
  columns: readonly string[],
  first: ReadonlyMap<string, Cell>,
): string | undefined {
  if (input?.shape.length !== 4 || others.length > 0) return undefined;
  const found = columns.filter((column) => holdsImage(first.get(column), isImageName));
  const [only, second] = found;
  if (second === undefined) return only;
  const named = [input.name, ...imageNames].find((name) => found.includes(name));
  if (named !== undefined) return named;
  throw dataError(
    "names",
    `The columns ${found.join(", ")} all hold pictures`,
    path,
    "Say which one feeds the model: --columns image=COLUMN.",
  );
}
