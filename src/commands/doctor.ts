import { doctor } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import { reportOptions, trainOptions } from "./options.ts";

export const doctorCommand = {
  name: "doctor",
  positional: undefined,
  describe:
    "Show what this installation has, try each execution provider, and tell the remedy for what is missing",
  options: {
    provider: {
      group: "Run:",
      value: "words",
      describe:
        "Execution providers to try, separated by commas; exit code 6 where one does not work (default: all that there are)",
    },
    seconds: {
      group: "Run:",
      value: "number",
      describe: "Seconds that a model or training may take on a provider, each in a process of its own",
      default: "120",
    },
    python: { group: "Run:", describe: "Python of the exporters (default: EFQAT_PYTHON, else python3)" },
    cache: trainOptions.cache,
    ...reportOptions,
  },
  examples: [
    { line: "efqat doctor", describe: "before anything else on a new machine" },
    { line: "efqat doctor --provider cuda --json doctor.json", describe: "whether training runs on the GPU" },
  ],
  run: (_path, options, context) =>
    doctor(
      {
        providers: options.words("provider"),
        seconds: options.needNumber("seconds", { min: 1, max: 86_400 }),
        python: options.text("python"),
        cache: options.text("cache"),
      },
      context,
    ),
} as const satisfies Command;
