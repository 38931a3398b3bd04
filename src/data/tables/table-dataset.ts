import { basename } from "node:path";
import { dataError } from "../../errors.ts";
import type { Dataset } from "../dataset.ts";
import { feedDataset } from "../feed-dataset.ts";
import { imageDataset } from "../image-dataset.ts";
import { readAskedLabels } from "../labels-file.ts";
import type { FeedFile } from "../loaders/feed-folder.ts";
import { imageInputOf, type ModelInput } from "../model-input.ts";
import { namedValues } from "../../named-values.ts";
import { openArrays } from "../open-arrays.ts";
import type { SettledSpec } from "../spec.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { bindColumns } from "./bind-columns.ts";
import { columnArray, type FedColumns, rowTensor, shapesOf } from "./column-array.ts";
import { type ColumnLabels, readColumnLabels } from "./column-labels.ts";
import { imageColumn } from "./image-column.ts";
import { tokenFeeds } from "./tokenize-column.ts";
import type { Table } from "./table.ts";

/** The rows of a table as samples. */
export async function tableDataset(
  table: Table,
  spec: SettledSpec,
  inputs: readonly ModelInput[],
): Promise<Dataset> {
  if (table.length === 0)
    throw dataError("empty", "The table has no rows", table.path, "Write it again, or give another path.");
  const binding = await bindColumns(table, inputs, spec);
  const { label } = binding;
  const { labels, classNames } = await labelsOf(table, label, spec);
  if (binding.kind === "images") {
    const source = imageColumn(table, { column: binding.column, labels, classNames, folder: spec.images });
    return imageDataset(source, spec, imageInputOf(inputs, spec.layout, spec.path));
  }
  if (binding.kind === "text") {
    const feeds = await tokenFeeds(table, binding.columns, inputs, spec);
    const tokens = await openArrays(feeds, labels, spec);
    const columns = { text: binding.columns, ...(label === undefined ? {} : { label }) };
    return {
      ...tokens,
      describe: () => ({ ...tokens.describe(), format: table.format, columns, tokenizer: spec.tokenizer }),
    };
  }
  const { feeds } = binding;
  const shapes = await Promise.all(feeds.map((feed) => shapesOf(table, feed)));
  const dataset = shapes.some(({ length }) => length > 1)
    ? await feedDataset(rowFeeds(table, feeds), inputs, spec, labels)
    : await openArrays(
        feeds.map((feed, at) => ({
          input: feed.input,
          array: columnArray(table, feed, shapes[at]?.[0] ?? []),
        })),
        labels,
        { ...spec, path: table.path },
      );
  const columns = Object.fromEntries(feeds.map((feed) => [feed.input.name, [...feed.columns]]));
  return {
    ...dataset,
    name: basename(table.path),
    describe: () => ({
      ...dataset.describe(),
      format: table.format,
      columns: { ...columns, ...(labels === undefined || label === undefined ? {} : { label }) },
      ...(classNames === undefined ? {} : { classNames }),
    }),
  };
}

async function labelsOf(
  table: Table,
  column: string | undefined,
  spec: SettledSpec,
): Promise<Partial<ColumnLabels>> {
  if (spec.labels === undefined)
    return column === undefined ? {} : readColumnLabels(table, column, spec.classes);
  const labels = await readAskedLabels(spec, table.length);
  return labels === undefined ? {} : { labels };
}

/** Each row as a full feed, for samples that differ in shape. */
const rowFeeds = (table: Table, feeds: readonly FedColumns[]): FeedFile[] =>
  Array.from({ length: table.length }, (_, row) => ({
    path: table.where(row),
    async read() {
      const tensors = namedValues<Tensor>();
      for (const feed of feeds) {
        const cells = await table.read([row], feed.columns);
        tensors[feed.input.name] = rowTensor(
          cells.map(([cell]) => cell),
          feed,
          table.where(row),
        );
      }
      return tensors;
    },
  }));
