import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeAtExit } from "../src/remove-at-exit.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("what was not kept is gone with the process, and what was kept is there", async () => {
  const [gone, kept] = [join(folder, "gone"), join(folder, "kept")];
  const program = `
    import { mkdirSync, writeFileSync } from "node:fs";
    import { removeAtExit } from "./src/remove-at-exit.ts";
    mkdirSync(${JSON.stringify(gone)});
    writeFileSync(${JSON.stringify(join(gone, "file"))}, "");
    writeFileSync(${JSON.stringify(kept)}, "");
    removeAtExit(${JSON.stringify(gone)});
    removeAtExit(${JSON.stringify(kept)})();
    process.exit(0);`;
  await execa(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program]);
  expect({ gone: existsSync(gone), kept: existsSync(kept) }).toEqual({ gone: false, kept: true });
});

test("a hundred files take one listener of the process, and none once they are kept", () => {
  const before = process.listenerCount("exit");
  const keeps = Array.from({ length: 100 }, (_, i) => removeAtExit(join(folder, String(i))));
  expect(process.listenerCount("exit")).toBe(before + 1);
  for (const keep of keeps) keep();
  expect(process.listenerCount("exit")).toBe(before);
});
