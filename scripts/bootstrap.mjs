/**
 * Sets the repository up on a fresh machine, then runs the npm script named by the first argument:
 *
 *     node scripts/bootstrap.mjs check
 *
 * Plain JavaScript without dependencies, since it runs before any is installed. Dependencies come from the lock
 * file. onnxruntime-node's optional CUDA libraries are fetched only on Linux x64 machines with an NVIDIA
 * device, and never when CI or EFQAT_SKIP_CUDA is set or ONNXRUNTIME_NODE_INSTALL says skip.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`efqat needs Node 20.19 or later; this is ${process.versions.node}.`);
  process.exit(1);
}

const stale = staleReason();
if (stale !== undefined) install(stale);
const [script, ...rest] = process.argv.slice(2);
if (script !== undefined) process.exit(runNpm(["run", "--silent", script, "--", ...rest], process.env));

/** Why node_modules does not hold what the lock file asks for, or undefined when it does. */
function staleReason() {
  const installedLock = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedLock)) return "node_modules is missing";
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedLock, "utf8")).packages;
  for (const [path, { version, optional, peer }] of Object.entries(wanted)) {
    if (path === "" || optional || peer) continue;
    if (installed[path]?.version !== version) return `${path} is not version ${version}`;
  }
  return undefined;
}

function install(reason) {
  console.log(`Installing dependencies: ${reason}.`);
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" };
  const status = runNpm(["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund"], env);
  if (status !== 0) {
    console.error("The dependencies could not be installed; the messages of npm above say why.");
    process.exit(status);
  }
  if (wantsCuda()) fetchCuda();
}

function wantsCuda() {
  const told = process.env.ONNXRUNTIME_NODE_INSTALL;
  if (process.env.CI || process.env.EFQAT_SKIP_CUDA || told === "skip") return false;
  if (process.platform !== "linux" || process.arch !== "x64") return false;
  return told !== undefined || existsSync("/proc/driver/nvidia/version");
}

/** Lets onnxruntime-node's own install script fetch its CUDA libraries; without them everything runs on the CPU. */
function fetchCuda() {
  console.log("Fetching ONNX Runtime's CUDA libraries (EFQAT_SKIP_CUDA=1 leaves them out).");
  const status = runNpm(["rebuild", "onnxruntime-node"], { ...process.env }, 300_000);
  if (status !== 0)
    console.warn("The CUDA libraries could not be fetched; going on with the CPU provider alone.");
}

/** Runs npm with this Node, in the repository; gives the exit status. */
function runNpm(args, env, timeout) {
  const options = { cwd: root, env, stdio: "inherit", timeout };
  const npm = process.env.npm_execpath;
  const result =
    npm !== undefined && /\.c?js$/.test(npm)
      ? spawnSync(process.execPath, [npm, ...args], options)
      : spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
  if (result.error !== undefined) console.error(`npm could not be run: ${result.error.message}`);
  return result.status ?? 1;
}
