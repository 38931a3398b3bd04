import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { claimPaths } from "../../src/claims/claim-paths.ts";
import { isAbandoned, takeLock } from "../../src/claims/lock-file.ts";
import type { CommandPaths } from "../../src/claims/paths.ts";
import { catchUserError } from "../support/catch-error.ts";

let folder: string;
const at = (...parts: string[]): string => join(folder, ...parts);
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "efqat-claims-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

const claim = (paths: Partial<CommandPaths>, clobber = true) =>
  claimPaths({ reads: [], files: [], folders: [], ...paths }, { command: "efqat test", clobber });
const out = (path: string) => ({ option: "--out", path });

describe("claimPaths", () => {
  test("a second claim on an output is refused and says who holds it; a released one leaves nothing", async () => {
    const first = await claim({ files: [out(at("new/q.onnx"))] });
    const error = await catchUserError(() => claim({ files: [out(at("new/./q.onnx"))] }));
    expect(error.code).toBe("environment/in-use");
    expect(error.message).toContain(`"efqat test", process ${process.pid} on ${hostname()}`);
    await first.release();
    expect(await readdir(folder)).toEqual([]);
  });

  test("a lock of a process that has ended is taken over, and what it left beside the output is removed", async () => {
    const gone = { pid: 2 ** 22 + 1, host: hostname(), start: "", id: "x", command: "efqat", since: "then" };
    await writeFile(at(".q.onnx.efqat-lock"), JSON.stringify(gone));
    await writeFile(at(`.q.onnx.${randomUUID()}.tmp`), "half");
    await writeFile(at(`.other.onnx.${randomUUID()}.tmp`), "of another output");
    const held = await claim({ files: [out(at("q.onnx"))] });
    expect(JSON.parse(await readFile(at(".q.onnx.efqat-lock"), "utf8"))).toMatchObject({ pid: process.pid });
    await held.release();
    expect(await readdir(folder)).toEqual([expect.stringMatching(/^\.other/)]);
  });

  test("a process of the same id that began at another time is another process", async (context) => {
    if (!existsSync("/proc/self/stat"))
      return context.skip("there is no /proc, which tells when a process began");
    const own = {
      pid: process.pid,
      host: hostname(),
      start: "an earlier boot",
      id: "x",
      command: "",
      since: "",
    };
    await writeFile(at(".q.efqat-lock"), JSON.stringify(own));
    expect(await isAbandoned(at(".q.efqat-lock"))).toBe(true);
    await (await claim({ files: [out(at("q"))] })).release();
  });

  test("of many that want to take over an abandoned lock, one gets it", async () => {
    const gone = { pid: 2 ** 22 + 1, host: hostname(), start: "", id: "x", command: "efqat", since: "then" };
    await writeFile(at("lock"), JSON.stringify(gone));
    const tries = Array.from({ length: 20 }, () =>
      takeLock(at("lock"), { command: "", shown: "" }).then(
        () => true,
        () => false,
      ),
    );
    expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1);
  });

  test("a lock can be waited for", async () => {
    const held = await takeLock(at("lock"), { command: "", shown: "" });
    const waiting = takeLock(at("lock"), { command: "", shown: "", patience: 20_000 });
    setTimeout(() => void held.release(), 300);
    await (await waiting).release();
    expect(await readdir(folder)).toEqual([]);
  });

  test("what turns out to be read is checked as well", async () => {
    await writeFile(at("weights"), "x");
    const held = await claim({ files: [out(at("weights"))] });
    expect(held.complete).toBe(false);
    const error = await catchUserError(() => held.addReads([{ name: "the weights", path: at("weights") }]));
    expect(error.message).toBe("--out would overwrite the weights");
    expect(held.complete).toBe(false);
    await held.addReads([{ name: "others", path: at("others") }]);
    expect(held.complete).toBe(true);
    await held.release();
  });

  test("a new file in a folder of the data is allowed, one of the data is not", async () => {
    await mkdir(at("data"));
    await writeFile(at("data/1.png"), "");
    await writeFile(at("data/q.onnx"), "of an earlier run");
    const reads = [{ name: "the data", path: at("data"), holds: (name: string) => name.endsWith(".png") }];
    for (const name of ["2.png", "q.onnx"])
      await (await claim({ reads, files: [out(at("data", name))] })).release();
    const error = await catchUserError(() => claim({ reads, files: [out(at("data/1.png"))] }));
    expect(error.code).toBe("usage/overwrite");
  });

  test("a link to a place that does not exist yet is followed", async () => {
    await mkdir(at("real"));
    await symlink("real", at("way"));
    await symlink(at("way/q.onnx"), at("link"));
    const files = [out(at("link")), { option: "--json", path: at("real/q.onnx") }];
    expect((await catchUserError(() => claim({ files }))).code).toBe("usage/same-output");
  });

  test("a folder with a long name or many bytes in it can be locked, too", async () => {
    const name = "ü".repeat(120);
    const held = await claim({ files: [out(at(name))] });
    expect((await catchUserError(() => claim({ files: [out(at(name))] }))).code).toBe("environment/in-use");
    await held.release();
  });

  test("a folder takes files beside its own only with the mark of its kind", async () => {
    await mkdir(at("a"));
    await writeFile(at("a/mine.txt"), "");
    const folders = [
      { option: "--artifact", path: at("a"), files: ["manifest.json"], mark: "manifest.json" },
    ];
    expect((await catchUserError(() => claim({ folders }))).message).toContain("mine.txt");
    await writeFile(at("a/manifest.json"), "{}");
    expect((await catchUserError(() => claim({ folders }, false))).code).toBe("usage/exists");
    await (await claim({ folders })).release();
    expect(await readdir(at("a"))).toEqual(["manifest.json", "mine.txt"]);
  });
});
