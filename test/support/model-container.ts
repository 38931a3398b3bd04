import { readFile, writeFile } from "node:fs/promises";
import { gunzipSync, gzipSync } from "node:zlib";

/** The models of a container that scripts/fixtures/backend_suite.py describes, by name. */
export async function readContainer(path: URL | string): Promise<Map<string, Uint8Array>> {
  const content = gunzipSync(await readFile(path));
  const headerLength = content.readUInt32LE(0);
  const header = JSON.parse(content.subarray(4, 4 + headerLength).toString("utf8")) as {
    models: [string, number][];
  };
  const models = new Map<string, Uint8Array>();
  let at = 4 + headerLength;
  for (const [name, length] of header.models) {
    models.set(name, new Uint8Array(content.buffer, content.byteOffset + at, length));
    at += length;
  }
  return models;
}

/** Writes models in the same form. */
export async function writeContainer(path: string, models: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const index = { models: [...models].map(([name, bytes]) => [name, bytes.byteLength]) };
  const header = Buffer.from(JSON.stringify(index));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.byteLength);
  await writeFile(path, gzipSync(Buffer.concat([length, header, ...models.values()]), { level: 1 }));
}
