import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const settings = z.object({ options: z.array(z.string()).default([]) });

/** A model of the folder, with the data and the options that it is run with. */
export interface ZooModel {
  name: string;
  exporter: string;
  path: string;
  data: string;
  options: string[];
  /** Tells one state of the files and options from another. */
  key: string;
}

const exporters = ["torchscript", "dynamo"];

/**
 * The models of a folder: NAME.onnx with NAME.npz or a folder NAME of feeds beside it, and NAME.json for options that it
 * needs. NAME ends in `_torchscript` or `_dynamo` where one of PyTorch's exporters made it.
 */
export function findModels(folder: string, only: readonly string[], common: readonly string[]): ZooModel[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".onnx"))
    .sort()
    .flatMap((file) => {
      const full = file.slice(0, -".onnx".length);
      const data = [`${full}.npz`, full].map((name) => join(folder, name)).find(existsSync);
      if (data === undefined || (only.length > 0 && !only.some((part) => full.includes(part)))) return [];
      const exporter = exporters.find((name) => full.endsWith(`_${name}`));
      const path = join(folder, file);
      const options = [...common, ...readOptions(join(folder, `${full}.json`))];
      return [
        {
          name: exporter === undefined ? full : full.slice(0, -exporter.length - 1),
          exporter: exporter ?? "package",
          path,
          data,
          options,
          key: keyOf([path, data], options),
        },
      ];
    });
}

function readOptions(file: string): string[] {
  return existsSync(file) ? settings.parse(JSON.parse(readFileSync(file, "utf8"))).options : [];
}

function keyOf(files: readonly string[], options: readonly string[]): string {
  const hash = createHash("sha256").update(JSON.stringify(options));
  for (const file of files) {
    const facts = statSync(file);
    hash.update(facts.isFile() ? readFileSync(file) : `${facts.size} ${facts.mtimeMs}`);
  }
  return hash.digest("hex");
}
