import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { exitCodes, usageError } from "../../errors.ts";
import { inspectFolder, renderManifest } from "../../zoo/index.ts";
import { writeText } from "../../workflows/index.ts";
import { messageOptions } from "./options.ts";
import type { ZooCommand, ZooTask } from "./zoo-command.ts";

export const initTask: ZooCommand = {
  name: "zoo init",
  positional: { name: "folder", describe: "Folder with models, at any depth" },
  describe: "Look at every model of a folder and write zoo.yaml, with a recipe for each",
  options: {
    out: { group: "Zoo:", describe: "File to write (default: zoo.yaml in the folder)" },
    restart: { group: "Zoo:", describe: "Replace a file that exists", flag: true },
    ...messageOptions,
  },
  examples: [{ line: "efqat zoo init models/", describe: "models/zoo.yaml, to be looked through and run" }],
  run: initHere,
};

async function initHere({ positionals, options, terminal, logger }: ZooTask): Promise<number> {
  const [folder = "."] = positionals;
  const file = resolve(options.text("out") ?? join(folder, "zoo.yaml"));
  if (existsSync(file) && !options.flag("restart"))
    throw usageError("exists", "The file exists", file, "Give another --out, or --restart to replace it.");
  const models = await inspectFolder(folder, {
    cache: join(resolve(file, ".."), "zoo-results", "looks"),
    atOnce: availableParallelism(),
    signal: terminal.signal,
    onModel: (done, total) => logger.progress("looking at models", done, total),
  });
  await writeText(file, renderManifest(models, resolve(file, "..")));
  const broken = models.filter(({ look }) => !look.ok).length;
  const dataless = models.filter(({ data }) => data === undefined).length;
  terminal.stdout.write(
    `${file}: ${models.length} models, ${broken} that cannot be used, ${dataless} without data\n`,
  );
  return exitCodes.ok;
}
