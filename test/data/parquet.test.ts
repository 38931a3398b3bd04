import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetMetadata } from "hyparquet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import type { ModelInput } from "../../src/data/model-input.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import { UserError } from "../../src/errors.ts";
import { toNumbers } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";

const fixture = (name: string): string => join("fixtures/data-kinds", name);
const three: ModelInput[] = [{ name: "x", dtype: "float32", shape: ["batch", 3] }];
const picture: ModelInput[] = [{ name: "x", dtype: "uint8", shape: ["batch", 3, 8, 8] }];

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), "efqat-parquet-"))));
afterAll(() => rm(folder, { recursive: true }));

const valuesOf = async (dataset: Dataset, indices: number[], name = "x"): Promise<number[]> =>
  toNumbers((await dataset.read(indices)).inputs[name] as never);

test.each(["none", "snappy", "gzip", "zstd", "lz4", "brotli"])("numbers packed by %s", async (codec) => {
  const dataset = await openDataset({ path: fixture(`numbers-${codec}.parquet`) }, three);
  expect(dataset).toMatchObject({ length: 24, classes: 2 });
  const rows = [23, 0, 9, 8, 23];
  const wanted = rows.flatMap((row) => [Math.sin(row), Math.cos(row * 3) + (row % 2), row]);
  expect((await valuesOf(dataset, rows)).map((value) => value.toFixed(5))).toEqual(
    wanted.map((value) => value.toFixed(5)),
  );
  expect(Array.from((await dataset.read(rows)).labels ?? [])).toEqual([1, 0, 1, 0, 1]);
});

test("pictures and names of classes as Hugging Face's data sets have them", async () => {
  const dataset = await openDataset({ path: fixture("images.parquet") }, picture);
  const values = await valuesOf(dataset, [21, 3]);
  expect([values[0], values[64], values[128], values[192]]).toEqual([210, 200, 60, 30]);
  expect(dataset.describe()).toMatchObject({ columns: { image: "image" }, classNames: ["cat", "dog"] });
});

test("token lists of differing lengths, with labels that are texts", async () => {
  const inputs: ModelInput[] = ["input_ids", "attention_mask"].map((name) => ({
    name,
    dtype: "int64",
    shape: ["batch", "length"],
  }));
  const dataset = await openDataset({ path: fixture("tokens.parquet"), classes: 2 }, inputs);
  expect(dataset).toMatchObject({ samplesPerRun: 1, length: 24, classes: 2 });
  expect(await valuesOf(dataset, [2], "input_ids")).toEqual([101, 0, 1, 102]);
  expect(await valuesOf(dataset, [1], "attention_mask")).toEqual([1, 1, 1]);
});

describe("damaged files", () => {
  const readAll = async (bytes: Uint8Array): Promise<void> => {
    const path = join(folder, "damaged.parquet");
    await writeFile(path, bytes);
    const dataset = await openDataset({ path }, three);
    await dataset.read(Array.from({ length: dataset.length }, (_, index) => index));
  };

  test("are named, wherever they are cut off", async () => {
    const whole = await readFile(fixture("numbers-zstd.parquet"));
    for (let size = 4; size < whole.length; size += 41)
      expect((await catchUserError(() => readAll(whole.subarray(0, size)))).toParagraph()).toMatch(
        /Parquet file cannot be read.*damaged.parquet/,
      );
  });

  test("never do more than fail, wherever a byte is another", async () => {
    const whole = await readFile(fixture("numbers-snappy.parquet"));
    let failed = 0;
    for (let at = 4; at < whole.length; at += 7) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 0xff;
      const error: unknown = await readAll(changed).catch((thrown: unknown) => thrown);
      if (error !== undefined) expect(error).toBeInstanceOf(UserError);
      if (error !== undefined) failed++;
    }
    expect(failed).toBeGreaterThan(100);
  });

  test("that promise more than they hold are refused before anything is unpacked", async () => {
    const whole = await readFile(fixture("numbers-snappy.parquet"));
    const { row_groups: groups } = parquetMetadata(whole);
    const size = Number(groups[0]?.columns[0]?.meta_data?.total_compressed_size);
    const promise = async (unpacked: number, values: number): Promise<string> => {
      // A page header in Thrift's compact protocol: type, unpacked size, packed size, then {values, encoding}.
      const rest = varint(2 * (size - 25));
      const page = [0x15, 0, 0x15, ...varint(2 * unpacked), 0x15, ...rest, 0x2c, 0x15, ...varint(2 * values)];
      const changed = Buffer.from(whole);
      changed.set([...page, 0x15, 0, 0, 0], 4);
      return (await catchUserError(() => readAll(changed))).toParagraph();
    };
    expect(await promise(2 ** 30, 9)).toMatch(/unpack to more than.*column "a" of row group 0/);
    expect(await promise(99, 2 ** 30)).toMatch(/claims 1073741824 values in \d+ bytes/);
  });
});

/** A number in Thrift's encoding, in five bytes. */
const varint = (value: number): number[] =>
  Array.from({ length: 5 }, (_, at) => (Math.floor(value / 128 ** at) % 128) | (at < 4 ? 0x80 : 0));
