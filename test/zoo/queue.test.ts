import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { insideOf } from "../../src/zoo/jobs/inside-of.ts";
import { hashFile } from "../../src/zoo/jobs/content-hash.ts";
import { parseQueue } from "../../src/zoo/queue/connect.ts";
import { FolderStore } from "../../src/zoo/store/folder-store.ts";
import { openStore } from "../../src/zoo/store/open-store.ts";
import type { Store } from "../../src/zoo/store/store.ts";
import { fetchFiles, filesUnder, putFiles } from "../../src/zoo/store/transfer.ts";
import { runCli } from "../cli/terminal.ts";
import {
  freePort,
  needsRedis,
  redisPath,
  startProgram,
  startRedis,
  type StartedProcess,
} from "./redis-server.ts";
import { writeLayer } from "./small-zoo.ts";
import { compiledPath } from "../support/compiled.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-queue-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("addresses of queues: TLS, password, name; what is shown has no secret", () => {
  const { name, connection, shown } = parseQueue("rediss://me:p%40ss@host:6380/2?queue=night");
  expect(connection).toMatchObject({
    host: "host",
    port: 6380,
    db: 2,
    username: "me",
    password: "p@ss",
    tls: {},
  });
  expect(name).toBe("night");
  expect(shown).toBe("rediss://host:6380 (night)");
  expect(() => parseQueue("http://me:secret@host")).toThrow("none of Redis");
  expect(() => parseQueue("http://me:secret@host")).not.toThrow("secret");
});

describe.each(["folder", "S3"])("a store in %s", (kind) => {
  let store: Store;
  let server: StartedProcess | undefined;
  beforeAll(async () => {
    if (kind === "folder") store = new FolderStore(join(folder, "store"));
    else {
      const port = await freePort();
      const place = join(folder, "s3");
      await mkdir(place, { recursive: true });
      server = startProgram(process.execPath, [
        ...["node_modules/s3rver/bin/s3rver.js", "-d", place, "-a", "127.0.0.1", "-p", String(port)],
        ...["--configure-bucket", "zoo", "--silent"],
      ]);
      process.env["AWS_ACCESS_KEY_ID"] = process.env["AWS_SECRET_ACCESS_KEY"] = "S3RVER";
      store = await openStore(`s3://zoo/runs/1?endpoint=http://127.0.0.1:${port}`);
      for (let tries = 0; tries < 100; tries++) {
        if (
          await store.hasBlob("0".repeat(64)).then(
            () => true,
            () => false,
          )
        )
          break;
        await sleep(100);
      }
    }
  });
  afterAll(() => {
    server?.kill("SIGKILL");
  });

  test("files come back by their hashes, also those of folders", async () => {
    const source = join(folder, `source-${kind}`);
    await mkdir(join(source, "deep"), { recursive: true });
    await writeFile(join(source, "deep/a.bin"), "A".repeat(1000));
    await writeFile(join(source, "b.bin"), "");
    const tree = await putFiles(store, await filesUnder(source, "data"));
    expect(tree.map(({ path, bytes }) => [path, bytes])).toEqual([
      ["data/b.bin", 0],
      ["data/deep/a.bin", 1000],
    ]);
    const target = join(folder, `target-${kind}`);
    await fetchFiles(store, tree, target);
    expect(await hashFile(join(target, "data/deep/a.bin"))).toBe(tree[1]?.sha256);
  });

  test("the first result of a job stays", async () => {
    const key = "ab".repeat(32);
    expect(await store.readResult(key)).toBeUndefined();
    expect(await store.putResult(key, "first")).toBe(true);
    expect(await store.putResult(key, "second")).toBe(false);
    expect(await store.readResult(key)).toBe("first");
  });

  test("other content than the hash tells is refused, and nothing is left of it", async () => {
    const file = join(folder, "lie");
    await writeFile(file, "lie");
    const sha256 = "cd".repeat(32);
    await store.putBlob(sha256, file);
    const target = join(folder, `lies-${kind}`);
    const tree = [{ path: "x", sha256, bytes: 3 }];
    await expect(fetchFiles(store, tree, target)).rejects.toThrow("does not have the content");
    expect(readdirSync(target)).toEqual([]);
  });

  test("paths and keys cannot lead out", async () => {
    const tree = [{ path: "../out", sha256: "ab".repeat(32), bytes: 1 }];
    await expect(fetchFiles(store, tree, join(folder, "inner"))).rejects.toThrow("leads out");
    await expect(store.hasBlob("../../etc/passwd")).rejects.toThrow("64 hexadecimal digits");
    expect(() => insideOf("/a", "/etc/passwd")).toThrow("leads out");
  });
});

describe.skipIf(redisPath === undefined)(`jobs over Redis (${needsRedis})`, () => {
  const started: StartedProcess[] = [];
  afterEach(() => {
    for (const each of started.splice(0)) each.kill("SIGKILL");
  });
  const keep = (each: StartedProcess): StartedProcess => {
    started.push(each);
    return each;
  };

  test("a worker that is killed loses nothing; another one does the rest; no secret is written", async () => {
    const port = await freePort();
    const data = join(folder, "redis");
    await mkdir(data);
    keep(startRedis(data, port, ["--requirepass", "open-sesame"]));
    const models = join(folder, "models");
    await mkdir(models);
    for (const name of ["a", "b", "c"]) await writeLayer(models, name, name.charCodeAt(0));
    const queue = `redis://:open-sesame@127.0.0.1:${port}`;
    const places = ["--queue", queue, "--store", join(folder, "shared")];
    const worker = (name: string): StartedProcess =>
      keep(
        startProgram(process.execPath, [
          ...[compiledPath("src/cli/main.ts"), "zoo", "worker", "--jobs", "1"],
          ...["--folder", join(folder, name), ...places],
        ]),
      );
    const first = worker("w1");
    const out = join(folder, "out");
    const run = runCli(["zoo", "run", models, "--samples", "8", "--out", out, ...places]);
    const results = join(folder, "shared/results");
    // Killed within a write, a process leaves that write's temporary file: so behind the first result that is whole.
    const isResult = (name: string): boolean => name.endsWith(".json");
    const written = (): string[] => readdirSync(results, { recursive: true, encoding: "utf8" });
    while (!existsSync(results) || !written().some(isResult)) await sleep(20);
    first.kill("SIGKILL");
    worker("w2");
    const { exitCode, stdout } = await run;
    expect(stdout).toContain("3 of 3 jobs done, 0 failed, 0 left");
    expect(exitCode).toBe(0);
    const files = [out, join(folder, "shared")].flatMap((place) =>
      readdirSync(place, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name)),
    );
    expect(files.filter((file) => file.endsWith(".tmp"))).toEqual([]);
    for (const file of files) expect(readFileSync(file, "latin1")).not.toContain("open-sesame");
    const again = await runCli([
      "zoo",
      "run",
      models,
      "--samples",
      "8",
      "--out",
      join(folder, "out2"),
      ...places,
    ]);
    expect(again.stderr).not.toContain("started");
    expect(again.stdout).toContain("3 of 3 jobs done");
  }, 300_000);
});
