/**
 * npm run bench:repeatable [-- --model fixtures/mobilenetv3/model.onnx --runs 5 --epochs 0.1]
 *
 * Runs one `efqat optimize` several times, each with a cold cache and while other processes keep all cores busy, and
 * compares what it wrote byte by byte. Exits with 1 where two files differ.
 */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "fixtures/mobilenetv3/model.onnx" },
    runs: { type: "string", default: "5" },
    epochs: { type: "string", default: "0.1" },
  },
});
const data = ["--data", "fixtures/fashion-mnist", "--mean", "0.286", "--std", "0.353"];

const folder = await mkdtemp(join(tmpdir(), "efqat-repeatable-"));
const spin = "for (;;) Math.random();";
const load = cpus().map(() => execa(process.execPath, ["--eval", spin], { reject: false }));
const digests = new Set<string>();
try {
  for (let run = 1; run <= Number(values.runs); run++) {
    const out = join(folder, "result.onnx");
    const args = [...data, "--epochs", values.epochs, "--cache", join(folder, `cache-${run}`), "--out", out];
    const start = performance.now();
    await execa(process.execPath, [
      ...["--import", "tsx", "src/cli/main.ts", "optimize", values.model],
      ...[...args, "--quiet"],
    ]);
    const digest = createHash("sha256")
      .update(await readFile(out))
      .digest("hex");
    digests.add(digest);
    console.log(`run ${run}: ${digest} ${((performance.now() - start) / 1000).toFixed(0)} s`);
  }
} finally {
  for (const each of load) each.kill("SIGKILL");
  await Promise.all(load);
  await rm(folder, { recursive: true, force: true });
}
console.log(digests.size === 1 ? "all the same" : `${digests.size} different files`);
process.exitCode = digests.size === 1 ? 0 : 1;
