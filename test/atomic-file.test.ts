import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { explainWriteError, makeFolder, writeFileAtomically } from "../src/atomic-file.ts";
import { catchUserError } from "./support/catch-error.ts";

let folder: string;
const at = (...parts: string[]): string => path.join(folder, ...parts);

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "efqat-atomic-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("a disk that fills up leaves the old file and no other, and says so", async () => {
  await writeFile(at("m.bin"), "old");
  const error = await catchUserError(() =>
    writeFileAtomically(at("m.bin"), async (handle) => {
      await handle.writeFile("half of the new content");
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    }),
  );
  expect([error.code, error.where]).toEqual(["environment/disk-full", at("m.bin")]);
  expect(await readFile(at("m.bin"), "utf8")).toBe("old");
  expect(await readdir(folder)).toEqual(["m.bin"]);
});

test("a folder is made with those above it; where a file stands in the way, the error names the folder", async () => {
  await makeFolder(at("a", "b"));
  await makeFolder(at("a", "b"));
  await writeFile(at("file"), "");
  const error = await catchUserError(() => makeFolder(at("file", "b")));
  expect([error.code, error.where]).toEqual(["environment/write", at("file", "b")]);
  expect(await readdir(folder)).toEqual(["a", "file"]);
});

test("an interruption while a file is open is no failure to write it", () => {
  const interruption: unknown = AbortSignal.abort().reason;
  expect(explainWriteError(interruption, "out.onnx")).toBe(interruption);
});

test("folders below one that is missing are made at the same time", async () => {
  for (let round = 0; round < 30; round++) {
    const made = Array.from({ length: 60 }, (_, job) =>
      makeFolder(at(`round-${round}`, "jobs", `job-${job}`)),
    );
    expect((await Promise.all(made)).flat()).toHaveLength(62);
  }
});
