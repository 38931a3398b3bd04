import { access, constants, readFile } from "node:fs/promises";
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, totalmem, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describePython } from "../../importers/describe-python.ts";
import { formatBytes } from "../../report/format.ts";
import type { InstallationSection } from "../../report/report-data.ts";
import { availableMemory } from "../../runtime/available-memory.ts";
import { kernelsSaturate } from "../../runtime/saturation.ts";
import { runtimeVersion } from "../../runtime/session.ts";
import { version } from "../../version.ts";
import { firstFolder } from "../preflight/check-machine.ts";

type Check = InstallationSection["checks"][number];

export interface InstallationOptions {
  /** Folder for times measured on this machine. */
  cache: string | undefined;
  /** Python for the commands that export. */
  python: string | undefined;
}

/** What this installation has of what efqat needs, and what some of its commands need. */
export async function checkInstallation({ cache, python }: InstallationOptions): Promise<Check[]> {
  return [
    { part: "efqat", state: "good", found: `${version} on Node ${process.versions.node}` },
    { part: "ONNX Runtime", state: "good", found: runtimeVersion() },
    ...packageChecks(),
    await processorCheck(),
    memoryCheck(),
    await folderCheck("temporary files", tmpdir(), "Set TMPDIR to a folder that can be written."),
    ...(cache === undefined ? [] : [await folderCheck("cache", cache, "Give another folder with --cache.")]),
    ...graphicsChecks(),
    await pythonCheck(python),
  ];
}

/** Packages that only some commands need, and what for. */
const optionalPackages: Readonly<Record<string, string>> = {
  bullmq: "efqat zoo run --queue",
  ioredis: "efqat zoo run --queue",
  "@aws-sdk/client-s3": "efqat zoo run --store s3://",
};

function packageChecks(): Check[] {
  const needed = ["onnxruntime-node", "sharp", "protobufjs"].map((name): Check => {
    const found = packageVersion(name);
    if (found !== undefined) return { part: name, state: "good", found };
    return { part: name, state: "missing", found: "not found", remedy: "Install efqat again: npm install." };
  });
  const missing = Object.keys(optionalPackages).filter((name) => packageVersion(name) === undefined);
  if (missing.length === 0) return needed;
  const uses = [...new Set(missing.map((name) => optionalPackages[name] ?? ""))];
  const remedy = `For ${uses.join(" and ")}: npm install ${missing.join(" ")}`;
  return [
    ...needed,
    { part: "packages of a zoo", state: "optional", found: `without ${missing.join(", ")}`, remedy },
  ];
}

function packageVersion(name: string): string | undefined {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  for (const folder of folders) {
    const file = join(folder, name, "package.json");
    if (existsSync(file)) return (createRequire(import.meta.url)(file) as { version?: string }).version;
  }
  return undefined;
}

/** Instructions that 8-bit kernels are made of. */
const instructions = ["avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"];

async function processorCheck(): Promise<Check> {
  const text = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const [, flags = ""] = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text) ?? [];
  const own = instructions.filter((name) => flags.split(" ").includes(name));
  const saturates = await kernelsSaturate();
  const kernels = saturates ? "8-bit kernels saturate" : "8-bit kernels are exact";
  const name = `${cpus().length} x ${cpus()[0]?.model.trim() ?? process.arch}`;
  const found = `${name}${own.length === 0 ? "" : ` (${own.join(", ")})`}; ${kernels}`;
  if (!saturates) return { part: "processor", state: "good", found };
  const remedy =
    "Files for this machine are written for ort-cpu-no-vnni, and steps are computed in floats; nothing to do.";
  return { part: "processor", state: "good", found, remedy };
}

/** Less is too little for a network of the size of ResNet-50. */
const leastMemory = 2e9;

function memoryCheck(): Check {
  const free = availableMemory();
  const found = `${formatBytes(free)} of ${formatBytes(totalmem())} to be had (a container's limit counts)`;
  if (free >= leastMemory) return { part: "memory", state: "good", found };
  return {
    part: "memory",
    state: "optional",
    found,
    remedy: "Large models need more: --memory-limit keeps a run within it.",
  };
}

async function folderCheck(part: string, folder: string, remedy: string): Promise<Check> {
  const writable = await access(await firstFolder(resolve(folder)), constants.W_OK).then(
    () => true,
    () => false,
  );
  if (writable) return { part, state: "good", found: folder };
  return { part, state: "missing", found: `${folder} cannot be written`, remedy };
}

/** Descriptions of Vulkan drivers, which WebGPU runs on. */
const driverFolders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];

function graphicsChecks(): Check[] {
  if (process.platform !== "linux") return [];
  const nvidia = existsSync("/proc/driver/nvidia/version");
  const drivers = driverFolders.flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []));
  const names = [...new Set(drivers.map((file) => file.replace(/(_icd)?(\.\w+)?\.json$/, "")))];
  return [
    nvidia
      ? { part: "NVIDIA driver", state: "good", found: "loaded" }
      : {
          part: "NVIDIA driver",
          state: "optional",
          found: "none",
          remedy: "cuda and tensorrt need an NVIDIA GPU and its driver.",
        },
    names.length > 0
      ? { part: "Vulkan drivers", state: "good", found: names.join(", ") }
      : {
          part: "Vulkan drivers",
          state: "optional",
          found: "none",
          remedy: "webgpu needs one: the GPU's own, or one in software.",
        },
  ];
}

async function pythonCheck(asked: string | undefined): Promise<Check> {
  const python = await describePython(asked);
  const part = "Python";
  const wanted =
    "efqat from-torch and from-hf need a Python with torch, onnx and onnxscript; name it with EFQAT_PYTHON.";
  if (python === undefined) return { part, state: "optional", found: "none", remedy: wanted };
  const { interpreter, version: number, packages } = python;
  const found = `${interpreter} ${number}${packages.length === 0 ? ", without frameworks" : ` with ${packages.join(", ")}`}`;
  const ready = packages.includes("torch") && packages.includes("onnx");
  return { part, found, state: ready ? "good" : "optional", ...(ready ? {} : { remedy: wanted }) };
}
