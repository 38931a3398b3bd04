import { InternalError } from "../../errors.ts";
import type { Frame } from "../../runtime/isolation/frames.ts";
import { packTensors } from "../../runtime/isolation/messages.ts";
import { type Tensor, tensorOfBytes } from "../../tensor/tensor.ts";
import type { Manifest } from "../artifact/manifest.ts";
import { readManifest } from "../artifact/files.ts";
import { addTo } from "../sessions/mean-outputs.ts";
import { stateTensor, type TrainingState } from "../state.ts";
import type { TrainJob, WorkerFigures } from "../trainer/job.ts";
import type { Fit, OtherWorkers, StartWorkers } from "../trainer/other-workers.ts";
import { shareOf } from "../trainer/share-runs.ts";
import { forwardNames, packUpdates, rowNames } from "./forward-state.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { WorkerProcess } from "./worker-process.ts";

/** Starts the other workers of a job, which open its data and graphs while this process goes on. */
export const startWorkers: StartWorkers = async (job, signal) => {
  const manifest = await readManifest(job.artifact);
  return new WorkerGroup(job, manifest, signal);
};

interface Other {
  process: WorkerProcess;
  /** Its runs of the training graph in each step. */
  runs: number;
  /** What it is still to answer. */
  answer: Promise<Frame<FromWorker>>;
  /** Outputs of its training graph, whose sums it gives. */
  outputs: readonly string[];
}

/** All workers but the one in this process. */
class WorkerGroup implements OtherWorkers {
  readonly #manifest: Manifest;
  readonly #others: readonly Other[];
  #fitted = false;
  #steps = 0;
  /** Bytes sent and received beside steps. */
  readonly #beside = { sent: 0, received: 0 };

  constructor(job: TrainJob, manifest: Manifest, signal: AbortSignal) {
    const { workers } = job.options;
    this.#manifest = manifest;
    this.#others = Array.from({ length: workers - 1 }, (_, index) => {
      const process = new WorkerProcess(index + 2, workers, signal);
      const { count: runs } = shareOf(manifest.accumulate, workers, index + 1);
      const { answer } = process.ask({ message: { type: "open", job, worker: index + 1 }, blocks: [] });
      return { process, runs, answer, outputs: [] };
    });
  }

  async fit(state: TrainingState, { first, steps, backwardWeights }: Fit): Promise<void> {
    const before = this.#fitted ? this.#bytes : { sent: 0, received: 0 };
    // Until now they were opening data and graphs.
    if (!this.#fitted) await Promise.all(this.#others.map(({ answer }) => answer));
    const names = this.#fitted ? rowNames(this.#manifest) : forwardNames(this.#manifest);
    const tensors = packTensors(Object.fromEntries(names.map((name) => [name, stateTensor(state, name)])));
    const held = backwardWeights && packTensors(Object.fromEntries(backwardWeights));
    const heads = { tensors: tensors.heads, backwardWeights: held?.heads };
    await this.#ask({
      message: { type: "fit", ...heads, first, steps },
      blocks: [...tensors.blocks, ...(held?.blocks ?? [])],
    });
    await Promise.all(
      this.#others.map(async (other) => {
        const { message } = await other.answer;
        if (message.type === "fitted") other.outputs = message.outputs;
      }),
    );
    this.#fitted = true;
    const after = this.#bytes;
    this.#beside.sent += after.sent - before.sent;
    this.#beside.received += after.received - before.received;
  }

  begin(step: number): Promise<void> {
    this.#steps++;
    return this.#ask({ message: { type: "step", step }, blocks: [] });
  }

  async collect(sums: Readonly<Record<string, Tensor>>): Promise<number> {
    let runs = 0;
    // One after the other: what is found must not depend on who is ready first.
    for (const other of this.#others) {
      const { blocks } = await other.answer;
      other.outputs.forEach((name, index) => {
        const sum = sums[name];
        const bytes = blocks[index];
        if (sum === undefined || bytes?.byteLength !== sum.bytes.byteLength)
          throw new InternalError(`a worker's "${name}" is not this process's`);
        addTo(sum, tensorOfBytes(sum.dtype, sum.dims, bytes));
      });
      runs += other.runs;
    }
    return runs;
  }

  update(updates: Readonly<Record<string, Tensor>>): void {
    const blocks = packUpdates(this.#manifest, updates);
    for (const { process } of this.#others) void process.send({ message: { type: "update" }, blocks });
  }

  get peakBytes(): number {
    return this.#others.reduce((sum, { process }) => sum + process.peakBytes, 0);
  }

  get figures(): WorkerFigures {
    const { sent, received } = this.#bytes;
    const perStep = (bytes: number): number => (this.#steps === 0 ? 0 : Math.round(bytes / this.#steps));
    return {
      count: this.#others.length + 1,
      sentPerStep: perStep(sent - this.#beside.sent),
      receivedPerStep: perStep(received - this.#beside.received),
      sentBeside: this.#beside.sent,
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#others.map(({ process }) => process.close()));
  }

  /** Sends all of them the same request; resolves when it is gone. */
  async #ask(frame: Frame<ToWorker>): Promise<void> {
    await Promise.all(
      this.#others.map((other) => {
        const { answer, sent } = other.process.ask(frame);
        other.answer = answer;
        return sent;
      }),
    );
  }

  get #bytes(): { sent: number; received: number } {
    const sum = (of: (process: WorkerProcess) => number): number =>
      this.#others.reduce((total, { process }) => total + of(process), 0);
    return { sent: sum(({ bytesSent }) => bytesSent), received: sum(({ bytesReceived }) => bytesReceived) };
  }
}
