/** Writes docs/report-schema.json from the schema in the code: `npx tsx scripts/write-report-schema.ts`. */
import { writeFileSync } from "node:fs";
import { reportJsonSchema } from "../src/report/report-data.ts";

writeFileSync("docs/report-schema.json", `${JSON.stringify(reportJsonSchema(), null, 2)}\n`);
