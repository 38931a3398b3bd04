import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { availableMemory } from "../../src/runtime/available-memory.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "efqat-test-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const gigabyte = 1024 ** 3;
const system = { "proc/meminfo": `MemTotal: 1 kB\nMemAvailable:   ${(16 * gigabyte) / 1024} kB\n` };

async function availableIn(files: Readonly<Record<string, string>>): Promise<number> {
  for (const [path, text] of Object.entries({ ...system, ...files })) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return availableMemory(root) / gigabyte;
}

test("without a container it is what the system has", async () => {
  expect(await availableIn({ "proc/self/cgroup": "0::/\n" })).toBe(16);
  expect(availableMemory()).toBeGreaterThan(0);
  expect(availableMemory()).toBeLessThanOrEqual(totalmem());
});

test("a limit of control groups, version 2, less what is used and not given back", async () => {
  const files = {
    "proc/self/cgroup": "0::/a/b\n",
    "sys/fs/cgroup/a/b/memory.max": "max\n",
    "sys/fs/cgroup/a/b/memory.current": "5\n",
    "sys/fs/cgroup/a/memory.max": `${4 * gigabyte}\n`,
    "sys/fs/cgroup/a/memory.current": `${3 * gigabyte}\n`,
    "sys/fs/cgroup/a/memory.stat": `anon 1\ninactive_file ${gigabyte}\nactive_file 7\n`,
  };
  expect(await availableIn(files)).toBe(2);
});

test("a container sees its own group at the root", async () => {
  const files = {
    "proc/self/cgroup": "0::/\n",
    "sys/fs/cgroup/memory.max": `${3 * gigabyte}\n`,
    "sys/fs/cgroup/memory.current": `${gigabyte}\n`,
  };
  expect(await availableIn(files)).toBe(2);
});

test("a limit of version 1, under the path of the host", async () => {
  const group = "sys/fs/cgroup/memory";
  const files = {
    "proc/self/cgroup": "5:cpu:/docker/x\n4:memory:/docker/x\n0::/docker/x\n",
    [`${group}/memory.limit_in_bytes`]: `${3 * gigabyte}\n`,
    [`${group}/memory.usage_in_bytes`]: `${2.5 * gigabyte}\n`,
    [`${group}/memory.stat`]: `inactive_file 1\ntotal_inactive_file ${0.5 * gigabyte}\n`,
  };
  expect(await availableIn(files)).toBe(1);
  expect(await availableIn({ [`${group}/memory.limit_in_bytes`]: "9223372036854771712\n" })).toBe(16);
});
