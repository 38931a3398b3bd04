import { Socket } from "node:net";
import { InternalError } from "../../errors.ts";
import { recordError } from "../../runtime/error-record.ts";
import { type Frame, receiveFrames, sendFrame } from "../../runtime/isolation/frames.ts";
import { unpackTensors } from "../../runtime/isolation/messages.ts";
import { startWatch } from "../../runtime/isolation/watch.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { SharedRun } from "./shared-run.ts";

/**
 * Entry of a worker's process. It serves one request after the other until the channel closes, and ends with the process
 * that started it, which a thread of its own looks out for while ONNX Runtime blocks this one. Interrupts of the terminal
 * are the parent's business.
 */
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
await startWatch();
const channel = new Socket({ fd: 3 });
let run: SharedRun | undefined;
let last: Promise<unknown> = Promise.resolve();

async function serve({ message, blocks }: Frame<ToWorker>): Promise<Frame<FromWorker> | undefined> {
  if (message.type === "open") {
    run = await SharedRun.open(message.job, message.worker);
    return { message: { type: "opened" }, blocks: [] };
  }
  if (run === undefined) throw new InternalError(`a worker was told to ${message.type} before it was open`);
  switch (message.type) {
    case "fit": {
      const { tensors: heads, backwardWeights: held, first, steps } = message;
      const tensors = unpackTensors(heads, blocks);
      const weights = held && new Map(Object.entries(unpackTensors(held, blocks.slice(heads.length))));
      const outputs = await run.fit(tensors, { first, steps, backwardWeights: weights });
      return { message: { type: "fitted", outputs }, blocks: [] };
    }
    case "update":
      run.update(blocks);
      return undefined;
    case "step":
      return { message: { type: "summed" }, blocks: await run.step(message.step) };
  }
}

receiveFrames<ToWorker>(channel, (frame) => {
  last = last
    .then(() => serve(frame))
    .catch((error: unknown): Frame<FromWorker> => ({
      message: { type: "failed", error: recordError(error) },
      blocks: [],
    }))
    .then((answer) => {
      if (answer !== undefined) sendFrame(channel, answer);
    });
});
channel.on("error", () => undefined);
