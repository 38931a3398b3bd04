import { reportJsonSchema } from "../../src/report/report-data.ts";
import { renderCliDocs } from "./render-cli.ts";
import { renderOperatorDocs } from "./render-operators.ts";

/** Documents that are made from the code, by path. */
export function generatedDocs(): Map<string, string> {
  return new Map([
    ["docs/cli.md", renderCliDocs()],
    ["docs/operators.md", renderOperatorDocs()],
    ["docs/report-schema.json", `${JSON.stringify(reportJsonSchema(), null, 2)}\n`],
  ]);
}
