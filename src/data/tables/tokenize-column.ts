import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { dataError } from "../../errors.ts";
import { sizeOfFile } from "../byte-source.ts";
import type { Feed } from "../align-samples.ts";
import type { ModelInput } from "../model-input.ts";
import { batchAxisOf } from "../place-samples.ts";
import type { DataSpec } from "../spec.ts";
import { spell } from "./cell-numbers.ts";
import { encodeTexts, type TextTokenizer } from "./encode-texts.ts";
import { scanRows, type Table } from "./table.ts";

/** Tokenizers with large vocabularies have some 20 MB. */
const largestTokenizer = 2 ** 28;
const unknownHint = "The tokenizer has no unknown token: give the one that the model was trained with.";
/** Tokens of a text where neither the model nor the tokenizer limits them. */
const usualLength = 512;

/** Tokens of one row, and which of its texts they belong to. */
interface TokenRow {
  ids: Int32Array;
  types: Uint8Array;
}

/** What inputs of token models are called, and what feeds them. */
const roles = {
  input_ids: (length: number, { ids }: TokenRow, pad: number) => fill(length, (at) => ids[at] ?? pad),
  attention_mask: (length: number, { ids }: TokenRow) => fill(length, (at) => (at < ids.length ? 1 : 0)),
  token_type_ids: (length: number, { types }: TokenRow) => fill(length, (at) => types[at] ?? 0),
} as const;

const fill = (length: number, value: (at: number) => number): BigInt64Array =>
  BigInt64Array.from({ length }, (_, at) => BigInt(value(at)));

const TokenizerClass = Tokenizer as unknown as new (file: object, configuration: object) => TextTokenizer;

/** A tokenizer.json as far as it is read here. */
interface TokenizerFile {
  model?: { unk_token?: string | null };
  truncation?: { max_length?: number } | null;
  padding?: { pad_id?: number } | null;
}

/**
 * Texts of a column, or pairs of two, as the inputs of a token model, by their names: cut to what is asked for, or the model or
 * the tokenizer takes, and padded to the longest, with a mask of what is text. Throws UserError data/tokenizer and data/names.
 */
export async function tokenFeeds(
  table: Table,
  columns: readonly string[],
  inputs: readonly ModelInput[],
  spec: Pick<DataSpec, "tokenizer" | "length">,
): Promise<Feed[]> {
  const { tokenizer, file } = await loadTokenizer(spec.tokenizer ?? "");
  const fed = inputs.map((input) => ({ input, role: roleOf(input, inputs, table.path) }));
  const fixed = inputs.map(lengthOf).find((length) => length !== undefined) ?? spec.length;
  const longest = fixed ?? file.truncation?.max_length ?? usualLength;
  const unknown = tokenizer.token_to_id(file.model?.unk_token ?? "");
  const rows: TokenRow[] = [];
  for await (const { row, cells } of scanRows(table, columns)) {
    const texts = cells.map((cell, at) => textOf(cell, columns[at] as string, table.where(row)));
    const encoded = encodeTexts(tokenizer, texts, longest);
    const ids = encoded.ids.map((id) => id ?? unknown);
    if (ids.includes(undefined))
      throw dataError("tokenizer", "A token of the text has no number", table.where(row), unknownHint);
    rows.push({ ids: Int32Array.from(ids as number[]), types: Uint8Array.from(encoded.types) });
  }
  const length = fixed ?? rows.reduce((most, { ids }) => Math.max(most, ids.length), 1);
  const masked = fed.some(({ role }) => role === "attention_mask");
  if (!masked && rows.some(({ ids }) => ids.length < length))
    throw dataError(
      "tokenizer",
      "The texts differ in their number of tokens, and the model has no attention_mask to tell padding by",
      table.path,
      "Export the model with an attention_mask, or give token lists in a column named as its input: they are fed one at a time.",
    );
  const pad = file.padding?.pad_id ?? tokenizer.token_to_id("[PAD]") ?? tokenizer.token_to_id("<pad>") ?? 0;
  return fed.map(({ input, role }) => ({
    input,
    array: {
      where: table.path,
      dtype: "int64",
      dims: [table.length, length],
      bytesInMemory: role === "input_ids" ? rows.reduce((sum, { ids }) => sum + ids.byteLength, 0) : 0,
      readRows: (indices) =>
        Promise.resolve(
          Buffer.concat(
            indices.map((index) => {
              const tokens = roles[role](length, rows[index] as TokenRow, pad);
              return new Uint8Array(tokens.buffer);
            }),
          ),
        ),
    },
  }));
}

function textOf(cell: unknown, column: string, where: string): string {
  if (typeof cell === "string") return cell;
  throw dataError(
    "cell",
    `Column "${column}" holds ${spell(cell)} where a text is expected`,
    where,
    "Correct the row, or name the column of texts with --columns text=COLUMN.",
  );
}

function roleOf(input: ModelInput, inputs: readonly ModelInput[], where: string): keyof typeof roles {
  if (Object.hasOwn(roles, input.name)) return input.name as keyof typeof roles;
  if (inputs.length === 1) return "input_ids";
  throw dataError(
    "names",
    `Texts feed the inputs ${Object.keys(roles).join(", ")}, and the model takes "${input.name}", too`,
    where,
    `Give it a value with --set ${input.name}=VALUE, or give token lists in columns named as the inputs.`,
  );
}

/** Tokens that an input takes, where that is a number. */
function lengthOf(input: ModelInput): number | undefined {
  const axis = batchAxisOf(input);
  const single = axis === undefined ? input.shape : input.shape.toSpliced(axis, 1);
  const [length] = single;
  return typeof length === "number" ? length : undefined;
}

/** Reads a tokenizer.json, and the tokenizer_config.json beside it where there is one. */
async function loadTokenizer(path: string): Promise<{ tokenizer: TextTokenizer; file: TokenizerFile }> {
  if ((await sizeOfFile(path)) > largestTokenizer)
    throw dataError("tokenizer", "The file is too large for a tokenizer", path, "Give a tokenizer.json.");
  try {
    const file = JSON.parse(await readFile(path, "utf8")) as TokenizerFile;
    const beside = await readFile(join(dirname(path), "tokenizer_config.json"), "utf8").catch(() => "{}");
    return { tokenizer: new TokenizerClass(file, JSON.parse(beside) as object), file };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw dataError(
      "tokenizer",
      `The tokenizer cannot be read: ${reason}`,
      path,
      "Give the tokenizer.json that tokenizer.save_pretrained writes.",
    );
  }
}
