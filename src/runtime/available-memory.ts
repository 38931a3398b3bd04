import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import { dirname, join } from "node:path";

/**
 * Bytes that this process and its children can still take: what the system has free or would give back at once, and no
 * more than a container's limit (control groups of either version) leaves. `root`: where /proc and /sys are found.
 */
export function availableMemory(root = "/"): number {
  const files = new SystemFiles(root);
  const system = meminfo(files, "MemAvailable") ?? freemem();
  return Math.max(0, Math.min(system, ...groupRests(files)));
}

class SystemFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** The text of a file; "" where there is none. */
  text(path: string): string {
    try {
      return readFileSync(join(this.#root, path), "utf8");
    } catch {
      return "";
    }
  }

  /** A file that holds one number; undefined where there is none, or no limit. */
  number(path: string): number | undefined {
    const text = this.text(path).trim();
    return /^\d+$/.test(text) ? Number(text) : undefined;
  }
}

function meminfo(files: SystemFiles, field: string): number | undefined {
  const [, kilobytes] = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(files.text("proc/meminfo")) ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** Names of the files of a control group, and of the count of cached pages that it gives back when it is full. */
interface GroupFiles {
  mount: string;
  limit: string;
  usage: string;
  cached: string;
}

const version2: GroupFiles = {
  mount: "sys/fs/cgroup",
  limit: "memory.max",
  usage: "memory.current",
  cached: "inactive_file",
};
const version1: GroupFiles = {
  mount: "sys/fs/cgroup/memory",
  limit: "memory.limit_in_bytes",
  usage: "memory.usage_in_bytes",
  cached: "total_inactive_file",
};

/** What the limits of this process's control group and of those around it leave. */
function groupRests(files: SystemFiles): number[] {
  return files
    .text("proc/self/cgroup")
    .split("\n")
    .flatMap((line) => {
      const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      if (controllers === "") return restsAround(files, version2, path);
      return controllers.split(",").includes("memory") ? restsAround(files, version1, path) : [];
    });
}

/** In a container the path may be the host's, whose files are not there: then those of the root are the container's. */
function restsAround(files: SystemFiles, names: GroupFiles, path: string): number[] {
  const rests: number[] = [];
  for (let folder = join("/", path); ; folder = dirname(folder)) {
    const rest = restOf(files, names, join(names.mount, folder));
    if (rest !== undefined) rests.push(rest);
    if (folder === "/") return rests;
  }
}

function restOf(files: SystemFiles, names: GroupFiles, folder: string): number | undefined {
  const limit = files.number(join(folder, names.limit));
  const usage = files.number(join(folder, names.usage));
  if (limit === undefined || usage === undefined) return undefined;
  const [, cached = "0"] =
    new RegExp(`^${names.cached} (\\d+)$`, "m").exec(files.text(join(folder, "memory.stat"))) ?? [];
  return limit - usage + Number(cached);
}
