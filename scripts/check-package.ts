/**
 * Packs the library, installs it into an empty project as users do, and runs there what README.md shows: its call in JavaScript
 * and in TypeScript, and its commands on a fixture. Prints how long each took and what the installation weighs:
 * `npm run check:package`. Ends with an error where one of them fails. Needs npm's registry, or its cache.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execa } from "execa";
import { ints } from "../src/tensor/tensor.ts";
import { randomTensor } from "../test/support/random-tensor.ts";
import { writeNpz } from "../test/support/write-numpy.ts";

const folder = await mkdtemp(join(tmpdir(), "efqat-package-"));
const project = join(folder, "project");
const environment = { ONNXRUNTIME_NODE_INSTALL: "skip" };

/** Runs one step in the project and prints its seconds; what it printed is the result. */
async function step(what: string, command: string, ...args: string[]): Promise<string> {
  const start = performance.now();
  const { stdout, stderr } = await execa(command, args, { cwd: project, env: environment });
  console.log(`${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s  ${what}`);
  return `${stdout}\n${stderr}`;
}

/** Bytes of all files below a folder. */
async function weigh(path: string): Promise<number> {
  const entries = await readdir(path, { withFileTypes: true });
  const sizes = entries.map(async (entry) => {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) return weigh(inner);
    return entry.isFile() ? (await stat(inner)).size : 0;
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Packages of an installation with their bytes, the heaviest first. */
async function weighPackages(modules: string): Promise<[name: string, bytes: number][]> {
  const names: string[] = [];
  for (const name of await readdir(modules)) {
    if (name.startsWith(".")) continue;
    if (name.startsWith("@"))
      for (const inner of await readdir(join(modules, name))) names.push(`${name}/${inner}`);
    else names.push(name);
  }
  const weighed = names.map(async (name): Promise<[string, number]> => [
    name,
    await weigh(join(modules, name)),
  ]);
  return (await Promise.all(weighed)).sort(([, a], [, b]) => b - a);
}

try {
  await mkdir(project);
  const packed = JSON.parse(
    (await execa("npm", ["pack", "--json", "--pack-destination", folder])).stdout.replace(/^[^[]*/, ""),
  ) as { filename: string; size: number; unpackedSize: number }[];
  const [archive] = packed;
  if (archive === undefined) throw new Error("npm packed nothing");
  await writeFile(
    join(project, "package.json"),
    JSON.stringify({ name: "user", private: true, type: "module" }),
  );
  await step(
    "npm install, from the tarball",
    "npm",
    "install",
    "--no-audit",
    "--no-fund",
    join(folder, archive.filename),
  );

  await cp("fixtures/resnet20/model.onnx", join(project, "model.onnx"));
  const labels = Array.from({ length: 64 }, (_, at) => at % 10);
  await writeNpz(join(project, "samples.npz"), {
    input: randomTensor([64, 1, 28, 28], 7),
    labels: ints(labels),
  });
  const [, snippet = ""] = /```ts\n([^]*?)```/.exec(await readFile("README.md", "utf8")) ?? [];
  await writeFile(join(project, "call.mjs"), snippet);
  await step("README's call, as JavaScript", "node", "call.mjs");
  await writeFile(join(project, "call.ts"), snippet);
  const compiler = resolve("node_modules/typescript/bin/tsc");
  const types = resolve("node_modules/@types");
  await step(
    "README's call, checked as TypeScript",
    ...(["node", compiler, "--noEmit", "--strict", "--module", "nodenext", "--target", "es2022"] as const),
    ...["--types", "node", "--typeRoots", types, "call.ts"],
  );
  const run = (...args: string[]): Promise<string> =>
    step(`npx efqat ${args.join(" ")}`, "npx", "efqat", ...args);
  await run("--version");
  await run("inspect", "model.onnx", "--wbits", "4");
  await run("data", "samples.npz", "model.onnx");
  const more = ["--wbits", "4", "--train-rows", "0.25", "--epochs", "1", "--out", "model.w4a8.onnx"];
  await run("optimize", "model.onnx", "--data", "samples.npz", ...more, "--html", "report.html");
  await run("audit", "model.w4a8.onnx");
  for (const file of ["model.int8.onnx", "model.w4a8.onnx", "report.html"]) await stat(join(project, file));

  const packages = await weighPackages(join(project, "node_modules"));
  const total = packages.reduce((sum, [, bytes]) => sum + bytes, 0);
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  console.log(`The tarball has ${megabytes(archive.size)}, the installation ${megabytes(total)}:`);
  for (const [name, bytes] of packages.slice(0, 8)) console.log(`  ${megabytes(bytes).padStart(9)}  ${name}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
