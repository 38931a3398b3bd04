import { access, constants, stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { environmentError } from "../../errors.ts";
import { Emitter } from "../../ir/emit.ts";
import { createGraph, createModel, createValue } from "../../ir/graph.ts";
import { formatBytes } from "../../report/format.ts";
import { withSession } from "../../runtime/open-model.ts";
import { requireProvider } from "../../runtime/providers.ts";

/** Throws environment/provider when the provider is not in the installed runtime, or cannot start on this machine. */
export async function checkProvider(provider = "cpu"): Promise<void> {
  requireProvider(provider);
  if (provider === "cpu") return;
  const graph = createGraph("probe");
  graph.inputs.push(createValue("x", "float32", [1]));
  new Emitter(graph).node("Identity", ["x"], { outputs: ["y"] });
  graph.outputs = [createValue("y", "float32", [1])];
  await withSession(createModel(graph, 17), { provider }, () => Promise.resolve());
}

/** Something that a command is going to write. */
export interface PlannedOutput {
  option: string;
  path: string;
  /** What it takes by estimate, in units of the source model's bytes. */
  size: number;
}

/**
 * Sizes of a quantized model and of a training artifact with its checkpoints, in units of the float model, with some room.
 * Measured: a model of four convolutions and 7.1 MB became one of 0.25; its artifact took 1.8, with the checkpoints of a run
 * on a quarter of the rows 3.0, and 4.0 while one replaced another. A ResNet-20 of 1.1 MB, where graphs weigh more: 2.6, 3.9
 * and one checkpoint of 1.0 more. Statistics take a few kilobytes for each value.
 */
export const outputSizes = { model: 0.3, artifact: 5, statistics: 0.1 } as const;

/**
 * Throws environment/write where the folder that an output goes to cannot be written to, and environment/disk-full where
 * its disk has less room than the output takes by estimate.
 */
export async function checkOutput({ option, path, size }: PlannedOutput, sourceBytes: number): Promise<void> {
  const bytes = size * sourceBytes;
  const folder = await firstFolder(resolve(path));
  await access(folder, constants.W_OK | constants.X_OK).catch((cause: unknown) => {
    throw environmentError(
      "write",
      `The folder of ${option} cannot be written to`,
      folder,
      "Change its permissions, or choose another folder.",
      cause,
    );
  });
  const room = await statfs(folder).catch(() => undefined);
  // Some file systems do not tell their size.
  if (room === undefined || room.blocks === 0) return;
  const free = room.bavail * room.bsize;
  if (free >= bytes) return;
  throw environmentError(
    "disk-full",
    `${option} takes up to ${formatBytes(bytes)}, and ${formatBytes(free)} are free on its disk`,
    path,
    "Free some space, or choose a folder on another disk.",
  );
}

/** The path itself where it is a folder, else the nearest folder above it that exists. */
export async function firstFolder(path: string): Promise<string> {
  const info = await stat(path).catch(() => undefined);
  return info?.isDirectory() === true || dirname(path) === path ? path : firstFolder(dirname(path));
}
