import { availableParallelism, hostname } from "node:os";
import { resolve } from "node:path";
import { exitCodes, usageError } from "../../errors.ts";
import { listTargets } from "../../workflows/index.ts";
import { meansOf, openStore, parseQueue, serveMetrics, startWorker } from "../../zoo/index.ts";
import { jobModule } from "../job-module.ts";
import type { OptionReader } from "../../commands/option-reader.ts";
import { messageOptions, queueOptions } from "./options.ts";
import type { ZooCommand, ZooTask } from "./zoo-command.ts";

const group = "Zoo:";

export const workerTask: ZooCommand = {
  name: "zoo worker",
  positional: undefined,
  describe: "Take jobs that efqat zoo run --queue gives out, until it is stopped",
  options: {
    ...queueOptions,
    folder: { group, describe: "Folder of this worker alone (default: zoo-worker)" },
    jobs: { group, describe: "Jobs at a time (default: as many as the machine has processors)" },
    memory: { group, describe: "Memory that all jobs may take together; larger ones are left to others" },
    targets: { group, describe: "Targets of jobs that are taken, separated by commas (default: all)" },
    port: { group, describe: "Port of /metrics and /healthz (default: none)" },
    host: { group, describe: "Address that the port is opened on", default: "127.0.0.1" },
    ...messageOptions,
  },
  examples: [
    {
      line: "efqat zoo worker --queue redis://queue:6379 --store /shared/zoo --port 9464",
      describe: "one for each machine",
    },
  ],
  run: workHere,
};

/** The queue and the store that options or the environment name; passwords stay out of the list of processes so. */
export function readQueue(options: OptionReader): { queue: string; store: string } | undefined {
  const queue = options.text("queue") ?? process.env["EFQAT_ZOO_QUEUE"];
  if (queue === undefined || queue === "") return undefined;
  const store = options.text("store") ?? process.env["EFQAT_ZOO_STORE"];
  if (store !== undefined && store !== "") return { queue, store };
  throw usageError(
    "store",
    "Missing: --store",
    "--queue",
    "Name the folder or s3:// that all machines reach.",
  );
}

async function workHere({ options, terminal, logger }: ZooTask): Promise<number> {
  const places = readQueue(options);
  if (places === undefined)
    throw usageError(
      "queue",
      "Missing: --queue",
      "efqat zoo worker",
      "Give redis://HOST:6379, or set EFQAT_ZOO_QUEUE.",
    );
  const { signal } = terminal;
  const address = parseQueue(places.queue);
  const means = meansOf({
    jobs: options.number("jobs", { min: 1, max: 1024, integer: true }) ?? availableParallelism(),
    memoryBytes: options.bytes("memory"),
  });
  const state: { worker?: Awaited<ReturnType<typeof startWorker>> } = {};
  const port = options.number("port", { min: 0, max: 65_535, integer: true });
  const host = options.needText("host");
  const running = (): number => state.worker?.running() ?? 0;
  const metrics = port === undefined ? undefined : await serveMetrics({ address, port, host, running });
  state.worker = await startWorker({
    address,
    signal,
    store: await openStore(places.store),
    module: jobModule(),
    scratch: resolve(options.text("folder") ?? "zoo-worker"),
    slots: means.slots,
    memoryBytes: means.memoryBytes,
    targets: new Set(options.words("targets") ?? listTargets().map(({ name }) => name)),
    onTrouble: (what) => logger.warn(what),
    onEvent: (event) => {
      if (event.type === "started") logger.info(`started ${event.job}`);
    },
    onResult: (result) => {
      metrics?.count(result);
      logger.info(
        `${result.status} ${result.name}${result.cause === undefined ? "" : `: ${result.cause.what}`}`,
      );
    },
  });
  logger.info(
    `Worker on ${hostname()} takes jobs of ${address.shown}${metrics === undefined ? "" : `, port ${metrics.port}`}.`,
  );
  await state.worker.closed;
  await metrics?.close();
  return exitCodes.ok;
}
