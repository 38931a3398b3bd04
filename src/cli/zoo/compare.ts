import { exitCodes, usageError } from "../../errors.ts";
import { writeText } from "../../workflows/index.ts";
import type { usualNoise } from "../../zoo/index.ts";
import { describeChanges, diffResults, readResults } from "../../zoo/index.ts";
import type { OptionReader } from "../../commands/option-reader.ts";
import type { OptionSpec } from "../../commands/options.ts";
import type { ZooCommand, ZooTask } from "./zoo-command.ts";

const group = "Zoo:";

/** Options that say how far apart figures may be, with the names of the bounds. */
const noiseOptions: Readonly<Record<string, OptionSpec>> = {
  "noise-accuracy": {
    group,
    describe: "Share of accuracy that is noise, besides its interval",
    default: "0.002",
  },
  "noise-sqnr": { group, describe: "dB of SQNR that are noise, besides its interval", default: "0.5" },
  "noise-latency": {
    group,
    describe: "Share of latency that is noise; runs whose middle halves meet are equal",
    default: "0.1",
  },
  "noise-size": { group, describe: "Share of size that is noise", default: "0.005" },
  "noise-integers": { group, describe: "Difference of integer shares that is noise", default: "0.001" },
};

export const diffTask: ZooCommand = {
  name: "zoo diff",
  positional: { name: "run", describe: "Folder of a run, or its results.json" },
  mostPositionals: 2,
  describe: "Compare two runs of a zoo beyond noise; exit code 6 where the second is worse in anything",
  options: {
    ...noiseOptions,
    json: { group, describe: "Write the differences as JSON to this file" },
  },
  examples: [{ line: "efqat zoo diff before/ after/", describe: "what became worse, better, or other" }],
  run: diffHere,
};

async function diffHere({ positionals, options, terminal }: ZooTask): Promise<number> {
  const [before, after] = positionals;
  if (before === undefined || after === undefined)
    throw usageError(
      "missing",
      "Missing: RUN2",
      "efqat zoo diff",
      "Give two runs: the earlier, then the later.",
    );
  const changes = diffResults(await readResults(before), await readResults(after), readNoise(options));
  const json = options.text("json");
  if (json !== undefined)
    await writeText(json, `${JSON.stringify({ formatVersion: 1, changes }, null, 2)}\n`);
  terminal.stdout.write(`${describeChanges(changes)}\n`);
  return changes.some(({ verdict }) => verdict === "worse") ? exitCodes.findings : exitCodes.ok;
}

function readNoise(options: OptionReader): typeof usualNoise {
  const read = (name: string, max: number): number => options.needNumber(`noise-${name}`, { min: 0, max });
  return {
    accuracy: read("accuracy", 1),
    sqnr: read("sqnr", 200),
    latency: read("latency", 100),
    size: read("size", 100),
    integers: read("integers", 1),
  };
}
