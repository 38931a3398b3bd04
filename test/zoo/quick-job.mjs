// The process of a job that does no work: after EFQAT_QUICK_MILLISECONDS it writes a file in the place of a model and reports
// a failure, or what the file of EFQAT_QUICK_REPORT holds.
import { readFileSync, writeFileSync } from "node:fs";

const failure = {
  formatVersion: 1,
  tool: { name: "efqat", version: "0.1.0", runtime: "1.30.0", node: "v20.19.0" },
  command: "quantize",
  options: {},
  error: { code: "model/quick", what: "Nothing was done", exitCode: 3 },
  seconds: 0,
  warnings: [],
};

const { EFQAT_QUICK_REPORT: given, EFQAT_QUICK_MILLISECONDS: milliseconds = "0" } = process.env;

process.once("message", ({ args }) => {
  setTimeout(() => {
    const text = given === undefined ? JSON.stringify(failure) : readFileSync(given, "utf8");
    writeFileSync(args[args.indexOf("--out") + 1], "no model".repeat(10_000));
    writeFileSync(args[args.indexOf("--json") + 1], text);
    process.exit(given === undefined ? 3 : 0);
  }, Number(milliseconds));
});
