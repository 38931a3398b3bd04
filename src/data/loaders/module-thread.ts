import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { materializeBatches, type ModuleBatch, type ModuleDataset } from "./module-batches.ts";
import type { ModuleJob, ModuleMessage, ReadRequest } from "./module-messages.ts";

/**
 * Entry of the thread that a data module runs in, so that one which never ends can be ended. It opens the module of its
 * job and then answers requests for samples.
 */
const job = workerData as ModuleJob;

const send = (message: ModuleMessage, transfer: ArrayBuffer[] = []): void =>
  parentPort?.postMessage(message, transfer);

const fail = (error: unknown): void =>
  send({ type: "failed", reason: error instanceof Error ? error.message : String(error) });

async function open(): Promise<ModuleDataset> {
  const { path, spec, inputs } = job;
  const module = (await import(pathToFileURL(resolve(path)).href)) as { default?: unknown };
  const exported = module.default;
  if (exported === undefined) throw new Error("it has no default export");
  const made: unknown =
    typeof exported === "function"
      ? await (exported as (...given: unknown[]) => unknown)(spec, inputs)
      : exported;
  const dataset = isDataset(made) ? made : await materialize(made);
  if (!Number.isSafeInteger(dataset.length) || dataset.length < 0)
    throw new Error(`its length is ${dataset.length}`);
  return dataset;
}

function isDataset(value: unknown): value is ModuleDataset {
  const candidate = value as Partial<ModuleDataset> | null;
  return (
    typeof candidate === "object" &&
    candidate !== null &&
    typeof candidate.read === "function" &&
    typeof candidate.length === "number"
  );
}

function materialize(value: unknown): Promise<ModuleDataset> {
  const iterable =
    typeof value === "object" &&
    value !== null &&
    (Symbol.asyncIterator in value || Symbol.iterator in value);
  if (!iterable) throw new Error("it exports neither {length, read} nor batches to iterate over");
  return materializeBatches(value as AsyncIterable<ModuleBatch>, {
    samples: job.spec.samples ?? Infinity,
    bytes: job.bytes,
    alive: () => send({ type: "alive" }),
  });
}

/** A batch that can be sent: each array in a buffer of its own, which is handed over. */
function detach(batch: Partial<ModuleBatch> | undefined): { batch: ModuleBatch; buffers: ArrayBuffer[] } {
  const buffers: ArrayBuffer[] = [];
  const inputs = Object.entries(batch?.inputs ?? {}).map(([name, input]): [string, typeof input] => {
    if (!ArrayBuffer.isView(input?.data)) return [name, { data: undefined as never, dims: [] }];
    const data = (input.data as Float32Array).slice();
    buffers.push(data.buffer);
    const dims = Array.isArray(input.dims) ? [...(input.dims as number[])] : undefined;
    return [name, { data, dims: dims as number[] }];
  });
  const labels = batch?.labels === undefined ? {} : { labels: Array.from(batch.labels) };
  return { batch: { inputs: Object.fromEntries(inputs), ...labels }, buffers };
}

try {
  const dataset = await open();
  parentPort?.on("message", ({ indices }: ReadRequest) => {
    void (async () => {
      const { batch, buffers } = detach(await dataset.read(indices));
      send({ type: "batch", batch }, buffers);
    })().catch(fail);
  });
  const { length, classes, bytesInMemory, samplesPerRun } = dataset;
  send({ type: "opened", opened: { length, classes, bytesInMemory, samplesPerRun } });
} catch (error) {
  fail(error);
}
