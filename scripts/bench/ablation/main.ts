/**
 * npm run bench:ablation [-- --data DIR --out build/ablation --epochs 0.1 --seeds 0,1,2 --threads 2 --rounds 9
 *                           --networks resnet20,mobilenetv3 --choices cwpl-magnitude-0.05,cost-fisher-0.35
 *                           --json FILE]
 *
 * Which choice of rows buys most accuracy for the time of a step: mode x metric x share on both fixtures at W4A8 and
 * W4A4. What was run before is in --out and is not run again. With --json the steps are timed, too, and all of it is
 * written to FILE.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { format } from "prettier";
import { readManifest } from "../../../src/training/artifact/files.ts";
import { settingName, settings } from "./grid.ts";
import type { AblationResults, AblationRow } from "./results.ts";
import { artifactOf, type Outcome, readOutcomes, runGrid } from "./run.ts";
import { timeChoices } from "./time.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string", default: "fixtures/fashion-mnist" },
    out: { type: "string", default: "build/ablation" },
    epochs: { type: "string", default: "0.1" },
    seeds: { type: "string", default: "0,1,2" },
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "9" },
    choices: { type: "string", default: "" },
    networks: { type: "string", default: "resnet20,mobilenetv3" },
    json: { type: "string" },
  },
});
const list = (text: string): string[] => text.split(",").filter((entry) => entry !== "");
const { out } = values;
const [epochs, threads, rounds] = [values.epochs, values.threads, values.rounds].map(Number) as [
  number,
  number,
  number,
];
const networks = list(values.networks);
/** What was asked for beside the defaults, but for folders. */
const given = [
  ...(values.epochs === "0.1" ? [] : [`--epochs ${values.epochs}`]),
  ...(values.choices === "" ? [] : [`--choices ${values.choices}`]),
].join(" ");
await runGrid({
  data: values.data,
  out,
  epochs,
  threads,
  networks,
  only: list(values.choices),
  seeds: list(values.seeds).map(Number),
});
if (values.json !== undefined) {
  const outcomes = await readOutcomes(out);
  const rows: AblationRow[] = [];
  const arithmetic: AblationResults["arithmetic"] = {};
  for (const setting of settings.filter(({ network }) => networks.includes(network))) {
    const { forward, backward } = await readManifest(artifactOf(out, setting));
    arithmetic[settingName(setting)] = { forward, backward };
    const times = await timeChoices(out, setting, { rounds, threads });
    const own = outcomes.filter((outcome) => outcome.setting === settingName(setting));
    rows.push(...rowsOf(own, times));
  }
  const results: AblationResults = {
    command: ["npm run bench:ablation", ...(given === "" ? [] : [`-- ${given}`])].join(" "),
    arithmetic,
    epochs,
    rounds,
    threads,
    rows,
  };
  await mkdir(dirname(values.json), { recursive: true });
  await writeFile(values.json, await format(JSON.stringify(results), { parser: "json", printWidth: 110 }));
}

/** One row per choice, its seeds together. */
function rowsOf(outcomes: readonly Outcome[], times: ReadonlyMap<string, number>): AblationRow[] {
  return [...new Set(outcomes.map(({ choice }) => choice))].map((choice) => {
    const runs = outcomes.filter((outcome) => outcome.choice === choice).sort((a, b) => a.seed - b.seed);
    const step = times.get(choice);
    return {
      setting: runs[0]?.setting ?? "",
      choice,
      rows: runs.at(-1)?.rows ?? 0,
      top1: runs.map(({ top1 }) => Number(top1.toFixed(2))),
      ...(step === undefined ? {} : { step: Number(step.toPrecision(4)) }),
    };
  });
}
