/** Writes the documents that are made from the code: `npm run docs`. */
import { writeFileSync } from "node:fs";
import { format } from "prettier";
import { generatedDocs } from "./docs/generated-docs.ts";
import { renderApi } from "./docs/render-api.ts";

for (const [path, text] of generatedDocs())
  writeFileSync(
    path,
    path.endsWith(".json") ? await format(text, { parser: "json", printWidth: 110 }) : text,
  );
writeFileSync("docs/api.md", (await renderApi()).text);
