import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ModelInput } from "../../src/data/model-input.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import { toNumbers } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";
import { wordTokenizer } from "../support/word-tokenizer.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-tokens-"));
  await writeFile(at("tokenizer.json"), JSON.stringify(wordTokenizer));
  await writeFile(at("a.txt"), "A cat\n\na dog sat\n");
  await writeFile(at("a.csv"), "sentence,label\nA bird,1\na dog sat,0\n");
});
afterAll(() => rm(folder, { recursive: true }));

const inputs = (length: number | string, ...names: string[]): ModelInput[] =>
  names.map((name) => ({ name, dtype: "int64", shape: ["batch", length] }));

describe("texts become tokens", () => {
  test("of all inputs, padded to the longest", async () => {
    const dataset = await openDataset(
      { path: at("a.txt"), tokenizer: at("tokenizer.json") },
      inputs("length", "input_ids", "attention_mask", "token_type_ids"),
    );
    const { inputs: fed } = await dataset.read([1, 0]);
    const values = Object.fromEntries(Object.entries(fed).map(([name, each]) => [name, toNumbers(each)]));
    expect(values).toEqual({
      input_ids: [2, 4, 6, 7, 3, 2, 4, 5, 3, 0],
      attention_mask: [1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
      token_type_ids: new Array(10).fill(0),
    });
  });

  test("of a column, cut to what the model takes, with labels", async () => {
    const dataset = await openDataset(
      { path: at("a.csv"), tokenizer: at("tokenizer.json") },
      inputs(4, "input_ids", "attention_mask"),
    );
    const batch = await dataset.read([0, 1]);
    expect(toNumbers(batch.inputs["input_ids"] as never)).toEqual([2, 4, 1, 3, 2, 4, 6, 3]);
    expect(Array.from(batch.labels ?? [])).toEqual([1, 0]);
  });

  test("pairs of two columns, the longer text cut first", async () => {
    await writeFile(
      at("pairs.csv"),
      "premise,hypothesis,label\na cat sat,a dog,0\ncat,a dog sat sat sat,1\n",
    );
    const read = async (length: number | undefined, ...names: string[]): Promise<number[][]> => {
      const spec = { path: at("pairs.csv"), tokenizer: at("tokenizer.json") };
      const dataset = await openDataset(
        { ...spec, ...(length === undefined ? {} : { length }) },
        inputs("length", ...names),
      );
      const { inputs: fed } = await dataset.read([0, 1]);
      return names.map((name) => toNumbers(fed[name] as never));
    };
    // What tokenizers 0.23 makes of them (python -m pip install tokenizers):
    // t.enable_truncation(length, strategy="longest_first"); t.enable_padding(length=length); t.encode(a, b)
    expect(await read(undefined, "input_ids", "token_type_ids", "attention_mask")).toEqual([
      [2, 4, 5, 7, 3, 4, 6, 3, 0, 2, 5, 3, 4, 6, 7, 7, 7, 3],
      [0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1],
      [1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    ]);
    expect(await read(7, "input_ids", "token_type_ids", "attention_mask")).toEqual([
      [2, 4, 5, 3, 4, 6, 3, 2, 5, 3, 4, 6, 7, 3],
      [0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1],
      new Array(14).fill(1),
    ]);
    expect(await read(6, "input_ids", "attention_mask")).toEqual([
      [2, 4, 5, 3, 4, 3, 2, 5, 3, 4, 6, 3],
      new Array(12).fill(1),
    ]);
  });

  test("or an error says what is missing", async () => {
    const refusal = async (names: string[], tokens?: string): Promise<string> => {
      const spec = { path: at("a.txt"), ...(tokens === undefined ? {} : { tokenizer: at(tokens) }) };
      return (await catchUserError(() => openDataset(spec, inputs("length", ...names)))).toParagraph();
    };
    expect(await refusal(["input_ids"])).toMatch(/Column "text" holds text, which --tokenizer/);
    expect(await refusal(["input_ids"], "tokenizer.json")).toMatch(/no attention_mask/);
    expect(await refusal(["input_ids", "bbox"], "tokenizer.json")).toMatch(/"bbox", too.*--set bbox/);
    expect(await refusal(["input_ids"], "a.csv")).toMatch(/tokenizer cannot be read/);
    expect(await refusal(["input_ids"], "gone.json")).toMatch(/no such file/);
  });
});
