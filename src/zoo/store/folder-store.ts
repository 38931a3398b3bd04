import { randomUUID } from "node:crypto";
import { copyFile, link, readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { makeFolder, openPending } from "../../atomic-file.ts";
import { systemCodeOf } from "../../errors.ts";
import { blobPath, resultPath, type Store } from "./store.ts";

/** A folder that all machines see. */
export class FolderStore implements Store {
  readonly name: string;

  constructor(folder: string) {
    this.name = resolve(folder);
  }

  async hasBlob(sha256: string): Promise<boolean> {
    return stat(join(this.name, blobPath(sha256))).then(
      () => true,
      () => false,
    );
  }

  async putBlob(sha256: string, file: string): Promise<void> {
    const path = join(this.name, blobPath(sha256));
    await makeFolder(dirname(path));
    const pending = await openPending(path);
    try {
      await copyFile(file, pending.temporary);
      await pending.commit();
    } finally {
      await pending.discard();
    }
  }

  async readBlob(sha256: string, file: string): Promise<void> {
    await copyFile(join(this.name, blobPath(sha256)), file);
  }

  async readResult(key: string): Promise<string | undefined> {
    return readFile(join(this.name, resultPath(key)), "utf8").catch((error: unknown) => {
      if (systemCodeOf(error) === "ENOENT") return undefined;
      throw error;
    });
  }

  /** A link is made only where there is no file yet. */
  async putResult(key: string, text: string): Promise<boolean> {
    const path = join(this.name, resultPath(key));
    await makeFolder(dirname(path));
    const pending = await openPending(`${path}.${randomUUID()}`);
    try {
      await pending.handle.writeFile(text);
      await pending.handle.sync();
      await link(pending.temporary, path);
      return true;
    } catch (error) {
      if (systemCodeOf(error) === "EEXIST") return false;
      throw error;
    } finally {
      await pending.discard();
    }
  }
}
