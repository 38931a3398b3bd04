import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { writeFileAtomically } from "../../atomic-file.ts";

const cacheSchema = z.record(z.string(), z.object({ state: z.string(), sha256: z.string() }));

/** The sha256 of a file's bytes. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/** The sha256 of values that JSON holds. */
export const hashOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex");

/**
 * Hashes of files and folders by content. A file whose size, time and place have not changed since it was hashed is
 * not read again; of a folder the names count with the content.
 */
export class ContentHashes {
  readonly #known = new Map<string, { state: string; sha256: string }>();
  readonly #file: string;
  #changed = false;

  /** `file`: where hashes are kept between runs. */
  constructor(file: string) {
    this.#file = file;
  }

  async load(): Promise<void> {
    const text = await readFile(this.#file, "utf8").catch(() => "{}");
    const known = cacheSchema.safeParse(parseJson(text)).data ?? {};
    for (const [path, entry] of Object.entries(known)) this.#known.set(path, entry);
  }

  async save(): Promise<void> {
    if (!this.#changed) return;
    const text = JSON.stringify(Object.fromEntries(this.#known));
    await writeFileAtomically(this.#file, async (handle) => handle.writeFile(text));
    this.#changed = false;
  }

  /** Throws what the file system says where something cannot be read. */
  async of(path: string): Promise<string> {
    const files = await listFiles(path);
    const state = hashOf(files);
    const known = this.#known.get(path);
    if (known?.state === state) return known.sha256;
    const sha256 = await hashFiles(path, files);
    this.#known.set(path, { state, sha256 });
    this.#changed = true;
    return sha256;
  }
}

interface ListedFile {
  /** From the folder; "" for a single file. */
  name: string;
  state: string;
}

async function listFiles(path: string): Promise<ListedFile[]> {
  if (!(await stat(path)).isDirectory()) return [{ name: "", state: await stateOf(path) }];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort();
  const files: ListedFile[] = [];
  for (const name of names) {
    const state = await stateOf(join(path, name)).catch(() => undefined);
    if (state !== undefined) files.push({ name, state });
  }
  return files;
}

async function stateOf(path: string): Promise<string> {
  const { size, mtimeNs, ino } = await stat(path, { bigint: true });
  return `${size}:${mtimeNs}:${ino}`;
}

async function hashFiles(path: string, files: readonly ListedFile[]): Promise<string> {
  if (files.length === 1 && files[0]?.name === "") return hashFile(path);
  const hashes: [string, string][] = [];
  for (const { name } of files) hashes.push([name, await hashFile(join(path, name))]);
  return hashOf(hashes);
}

/** What a text holds as JSON; undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
