/**
 * npm run bench:ablation [-- --data DIR --out build/ablation --epochs 0.1 --seeds 0,1,2 --threads 2
 *                           --networks resnet20,mobilenetv3 --choices cwpl-magnitude-0.05,cost-fisher-0.35]
 *
 * Which choice of rows buys most accuracy for the time of a step: mode x metric x share on both fixtures at W4A8 and
 * W4A4. What was run before is in --out and is not run again.
 */
import { parseArgs } from "node:util";
import { runGrid } from "./run.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string", default: "fixtures/fashion-mnist" },
    out: { type: "string", default: "build/ablation" },
    epochs: { type: "string", default: "0.1" },
    seeds: { type: "string", default: "0,1,2" },
    threads: { type: "string", default: "2" },
    choices: { type: "string", default: "" },
    networks: { type: "string", default: "resnet20,mobilenetv3" },
  },
});
await runGrid({
  ...{ data: values.data, out: values.out, epochs: Number(values.epochs), threads: Number(values.threads) },
  only: values.choices.split(",").filter((name) => name !== ""),
  networks: values.networks.split(","),
  seeds: values.seeds.split(",").map(Number),
});
