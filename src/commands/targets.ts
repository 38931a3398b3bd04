import { listTargets } from "../workflows/index.ts";
import type { Command } from "./command.ts";

export const targetsCommand = {
  name: "targets",
  positional: undefined,
  describe: "List the runtimes that files can be written for, and how each was checked",
  options: {},
  examples: [{ line: "efqat targets", describe: "names for --target" }],
  print: () =>
    listTargets()
      .map(({ name, describe, layout, checked }) => [name, describe, layout, checked].join("\n    "))
      .join("\n\n"),
  run: () => Promise.reject(new Error("the command only prints")),
} as const satisfies Command;
