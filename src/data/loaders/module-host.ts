import { createRequire } from "node:module";
import { extname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { dataError, type UserError } from "../../errors.ts";
import type { ModuleBatch } from "./module-batches.ts";
import type { ModuleJob, ModuleMessage, OpenedModule, ReadRequest } from "./module-messages.ts";

/** Largest JavaScript heap of a module, in MB; typed arrays do not count. */
const largestHeap = 2048;

/**
 * A data module in a thread of its own. Requests are answered one after the other; a module that shows no sign of life
 * for `patience` seconds is ended. All failures are UserErrors data/module.
 */
export class ModuleHost {
  readonly #worker: Worker;
  readonly #path: string;
  readonly #patience: number;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(job: ModuleJob, patience: number) {
    this.#path = job.path;
    this.#patience = patience;
    this.#worker = startThread(job);
    // Failures are reported by the request that waits for an answer.
    this.#worker.on("error", () => undefined);
  }

  /** Starts a module, and waits until it is open. */
  static async open(job: ModuleJob, patience: number): Promise<{ opened: OpenedModule; host: ModuleHost }> {
    const host = new ModuleHost(job, patience);
    const message = await host.#answer();
    if (message.type !== "opened") throw host.#failed("it gave samples before it was open");
    return { opened: message.opened, host };
  }

  read(indices: number[]): Promise<ModuleBatch> {
    const reading = this.#last.then(async () => {
      const answer = this.#answer();
      this.#worker.postMessage({ indices } satisfies ReadRequest);
      const message = await answer;
      if (message.type !== "batch") throw this.#failed("it gave no samples");
      return message.batch;
    });
    this.#last = reading.catch(() => undefined);
    return reading;
  }

  /** The next message that is no mere sign of life. The thread keeps the process going only while it is waited for. */
  async #answer(): Promise<Exclude<ModuleMessage, { type: "alive" | "failed" }>> {
    const worker = this.#worker;
    worker.ref();
    let timer: NodeJS.Timeout | undefined;
    let forget: (() => void) | undefined;
    try {
      return await new Promise((resolve, reject) => {
        const wait = (): void => {
          clearTimeout(timer);
          timer = setTimeout(() => reject(this.#hangs()), 1000 * this.#patience);
        };
        forget = this.#listen({
          message: (message) => {
            if (message.type === "alive") wait();
            else if (message.type === "failed") reject(this.#failed(message.reason));
            else resolve(message);
          },
          error: (error) => reject(this.#failed(error.message)),
          exit: () => reject(this.#failed("it ended without giving its samples")),
        });
        wait();
      });
    } catch (error) {
      await worker.terminate();
      throw error;
    } finally {
      clearTimeout(timer);
      forget?.();
      worker.unref();
    }
  }

  #listen(on: {
    message: (message: ModuleMessage) => void;
    error: (error: Error) => void;
    exit: () => void;
  }): () => void {
    this.#worker.on("message", on.message).on("error", on.error).on("exit", on.exit);
    return () => this.#worker.off("message", on.message).off("error", on.error).off("exit", on.exit);
  }

  #failed(reason: string): UserError {
    return dataError("module", `The data module fails: ${reason}`, this.#path, "See docs/data.md.");
  }

  #hangs(): UserError {
    return dataError(
      "module",
      `The data module has given nothing for ${this.#patience} seconds`,
      this.#path,
      "If it only needs longer to begin, give more with --data-timeout SECONDS.",
    );
  }
}

/** Starts the thread from compiled JavaScript, or from TypeScript sources through tsx where those are running. */
function startThread(job: ModuleJob): Worker {
  const extension = extname(fileURLToPath(import.meta.url));
  const file = new URL(`module-thread${extension}`, import.meta.url);
  const options = { workerData: job, resourceLimits: { maxOldGenerationSizeMb: largestHeap } };
  if (extension !== ".ts") return new Worker(file, options);
  const tsx = new URL("./dist/esm/api/index.mjs", pathToFileURL(tsxPackage()));
  const script = `import(${JSON.stringify(tsx.href)}).then((tsx) => {
    tsx.register();
    return import(${JSON.stringify(file.href)});
  })`;
  return new Worker(script, { ...options, eval: true });
}

const tsxPackage = (): string => createRequire(import.meta.url).resolve("tsx/package.json");
