/** A place that several machines reach, for files by the hash of their content and for results by the key of a job. */
export interface Store {
  /** How messages call it, without secrets. */
  readonly name: string;
  hasBlob(sha256: string): Promise<boolean>;
  /** Copies a file there, whole or not at all. */
  putBlob(sha256: string, file: string): Promise<void>;
  /** Copies a blob into a new file; its content is not checked yet. */
  readBlob(sha256: string, file: string): Promise<void>;
  /** The text of a job's result; undefined where there is none. */
  readResult(key: string): Promise<string | undefined>;
  /** Keeps the first result of a job; false where there was one. */
  putResult(key: string, text: string): Promise<boolean>;
}

/** Where things lie, below the root of a store. Hashes come over the queue, so that only hexadecimal digits pass. */
export function blobPath(sha256: string): string {
  return `blobs/${hexadecimal(sha256).slice(0, 2)}/${sha256}`;
}

export const resultPath = (key: string): string => `results/${hexadecimal(key).slice(0, 2)}/${key}.json`;

function hexadecimal(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new Error("a hash has 64 hexadecimal digits");
  return text;
}
