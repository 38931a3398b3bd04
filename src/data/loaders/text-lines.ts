import type { ByteSource } from "../byte-source.ts";
import type { Table } from "../tables/table.ts";
import { findLines } from "./json-lines.ts";

/** Opens a file with one text per line, as a table with the column "text". Empty lines are passed over. */
export async function openTextLines(file: ByteSource): Promise<Table> {
  const { path } = file;
  const { bounds, lines } = await findLines(file);
  return {
    path,
    format: "text",
    columns: ["text"],
    length: bounds.length,
    bytesInMemory: file.bytesInMemory,
    classNames: new Map(),
    where: (index) => `${path}, line ${lines[index] ?? 0}`,
    async read(indices, names) {
      const texts = await bounds.read(file, indices, (text) =>
        text
          .split("\n")
          .map((line) => line.trim())
          .filter((line) => line !== ""),
      );
      return names.map((name) => (name === "text" ? texts : texts.map(() => undefined)));
    },
  };
}
