import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { cp, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import sharp from "sharp";
import { saveModel } from "../../src/onnx/index.ts";
import { tinyModel } from "../training/tiny-network.ts";
import { runCli } from "../cli/terminal.ts";

/** Samples in the user's arrays. */
const count = 48;

/**
 * Makes what a user may have: the model m.onnx (x float32 [N, 1, 8, 8] -> scores [N, 3]), the same with its weights
 * beside it (ext.onnx, ext.onnx.data), samples s.npy with labels l.npy, a folder of images (images/a, images/b), the
 * built artifact art/ and the trained one trained/, a note.txt and an empty folder.
 */
export async function makeUserFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "efqat-mistakes-"));
  const at = (name: string): string => join(folder, name);
  await saveModel(tinyModel(), at("m.onnx"));
  await saveModel(tinyModel(), at("ext.onnx"), { externalData: "always", threshold: 1 });
  const samples = Float32Array.from({ length: count * 64 }, (_, index) => Math.sin(index * index));
  await writeFile(at("s.npy"), npy("<f4", [count, 1, 8, 8], samples));
  const labels = BigInt64Array.from({ length: count }, (_, index) => BigInt(index % 3));
  await writeFile(at("l.npy"), npy("<i8", [count], labels));
  await writeFile(at("note.txt"), "not to be lost\n");
  await mkdir(at("empty"));
  for (const name of ["a", "b"]) {
    await mkdir(at(`images/${name}`), { recursive: true });
    for (let index = 0; index < 3; index++) {
      const image = sharp({
        create: { width: 8, height: 8, channels: 3, background: { r: index, g: 90, b: 200 } },
      });
      await image.png().toFile(at(`images/${name}/${index}.png`));
    }
  }
  const build = ["artifact", at("m.onnx"), "--data", at("s.npy"), "--labels", at("l.npy"), "--batch", "8"];
  await must([...build, "--algorithms", "estimate", "--out", at("art")]);
  await cp(at("art"), at("trained"), { recursive: true });
  await must(["train", at("trained"), "--data", at("s.npy"), "--labels", at("l.npy"), "--epochs", "0.5"]);
  return folder;
}

async function must(args: string[]): Promise<void> {
  const { exitCode, stderr } = await runCli([...args, "--threads", "1"]);
  if (exitCode !== 0) throw new Error(stderr);
}

/** An .npy file, version 1.0. */
export function npy(type: string, dims: readonly number[], data: ArrayBufferView): Uint8Array {
  const shape = `(${dims.join(", ")}${dims.length === 1 ? "," : ""})`;
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': ${shape}, }`;
  const header = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const start = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length & 255, header.length >> 8]);
  return Buffer.concat([
    start,
    Buffer.from(header),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

/** What lies in a folder: by relative path the digest of a file, the target of a link, "folder" or "special". */
export function digestFolder(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (path: string): void => {
    for (const name of readdirSync(path).sort()) {
      const inner = join(path, name);
      const stats = lstatSync(inner);
      const kind = stats.isFile()
        ? createHash("sha256").update(readFileSync(inner)).digest("hex")
        : "special";
      found[relative(folder, inner)] = stats.isDirectory()
        ? "folder"
        : stats.isSymbolicLink()
          ? `link to ${readlinkSync(inner)}`
          : kind;
      if (stats.isDirectory()) walk(inner);
    }
  };
  walk(folder);
  return found;
}
