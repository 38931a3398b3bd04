import { existsSync, readdirSync } from "node:fs";
import { reportJsonSchema } from "../../src/report/report-data.ts";
import { drawAblation } from "../bench/ablation/draw.ts";
import { readAblation } from "../bench/ablation/results.ts";
import { drawPlots } from "../bench/draw-plots.ts";
import { readResults } from "../bench/results.ts";
import { readZooResults } from "../bench/zoo/results.ts";
import { renderAblation } from "./render-ablation.ts";
import { renderBenchmarks } from "./render-benchmarks.ts";
import { renderCliDocs } from "./render-cli.ts";
import { configurationSchema } from "./configuration-schema.ts";
import { renderModels } from "./render-models.ts";
import { renderOperatorDocs } from "./render-operators.ts";
import { renderTargetDocs } from "./render-targets.ts";

/** Documents that are made from the code, or from the benchmark's results, by path. */
export function generatedDocs(): Map<string, string> {
  const folder = "docs/benchmarks";
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  const results = files.sort().map((file) => readResults(`${folder}/${file}`));
  const plots = drawPlots(results.flatMap(({ runs }) => runs));
  const [choices, lwpn, longer] = ["results", "lwpn", "longer"].map((name) => {
    const file = `docs/ablation/${name}.json`;
    return existsSync(file) ? readAblation(file) : undefined;
  });
  return new Map([
    ["docs/cli.md", renderCliDocs()],
    ["docs/operators.md", renderOperatorDocs()],
    ["docs/targets.md", renderTargetDocs()],
    ["docs/report-schema.json", `${JSON.stringify(reportJsonSchema(), null, 2)}\n`],
    ["docs/config-schema.json", `${JSON.stringify(configurationSchema(), null, 2)}\n`],
    ["docs/benchmarks.md", renderBenchmarks(results)],
    ["docs/models.md", renderModels(readZooResults("docs/models/results.json"))],
    ...(choices === undefined
      ? []
      : [["docs/ablation.md", renderAblation(choices, { lwpn, longer })] as const]),
    ...Array.from(
      choices === undefined ? [] : drawAblation(choices),
      ([name, svg]) => [`docs/ablation/${name}`, svg] as const,
    ),
    ...Array.from(plots, ([name, svg]) => [`${folder}/${name}`, svg] as const),
  ]);
}
