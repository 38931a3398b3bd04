import type { OptionSpec } from "../../commands/options.ts";

const group = "Zoo:";

export const outOption: Readonly<Record<string, OptionSpec>> = {
  out: { group, describe: "Folder of the results (default: zoo-results, or what the zoo's file says)" },
};

export const choiceOptions: Readonly<Record<string, OptionSpec>> = {
  data: { group, describe: "Data of models that have none of their own" },
  target: { group, describe: "Targets of models that have none of their own, separated by commas" },
  samples: { group, describe: "Calibration samples of models that say nothing of them" },
};

export const jobOptions: Readonly<Record<string, OptionSpec>> = {
  only: { group, describe: "Only jobs whose names match, such as 'mobilenet*' or '{a,b}/**'" },
  shard: { group, describe: "Only a part of the jobs, PART/PARTS: 3/16 is the third of sixteen" },
  jobs: { group, describe: "Jobs at a time (default: as many as the machine has processors)" },
  memory: {
    group,
    describe: "Memory that all jobs may take together, such as 8GB (default: 80 % of what is free)",
  },
  force: { group, describe: "Run jobs again that have a result", flag: true },
  "dry-run": { group, describe: "Tell what would run, with estimated time and memory", flag: true },
};

export const queueOptions: Readonly<Record<string, OptionSpec>> = {
  queue: {
    group,
    describe:
      "Redis that jobs are given out by: redis://HOST:6379, rediss://USER:PASSWORD@HOST (or EFQAT_ZOO_QUEUE)",
  },
  store: {
    group,
    describe: "Folder that all machines reach, or s3://BUCKET/PREFIX?endpoint=URL (or EFQAT_ZOO_STORE)",
  },
};

export const messageOptions: Readonly<Record<string, OptionSpec>> = {
  quiet: { group, describe: "No messages but warnings and errors", flag: true },
};
