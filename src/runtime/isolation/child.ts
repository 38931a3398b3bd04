import { recordError } from "../error-record.ts";
import { createNativeSession } from "../native-session.ts";
import type { SessionBackend } from "../session-types.ts";
import { readFrame, writeFrame } from "./frames.ts";
import { type Answer, packTensors, type Request, unpackTensors } from "./messages.ts";
import { startWatch } from "./watch.ts";

/**
 * Entry of the process that runs ONNX Runtime on models that are not trusted. It serves one request after the other
 * until its parent is gone. Interrupts of the terminal are the parent's business.
 */
const requests = 3;
const answers = 4;
const sessions = new Map<number, SessionBackend>();
const opened = count();

function* count(): Generator<number> {
  for (let number = 0; ; number++) yield number;
}

interface Reply {
  message: Answer;
  blocks: readonly Uint8Array[];
}

async function serve(request: Request, blocks: readonly Uint8Array[]): Promise<Reply> {
  switch (request.type) {
    case "load": {
      const session = await createNativeSession(request.path ?? (blocks[0] as Uint8Array), request.options);
      const number = opened.next().value as number;
      sessions.set(number, session);
      const { inputs, outputs } = session;
      return { message: { type: "loaded", session: number, inputs, outputs }, blocks: [] };
    }
    case "run": {
      const feeds = unpackTensors(request.feeds, blocks);
      const start = performance.now();
      const results = await sessionOf(request.session).run(feeds, request.fetches);
      const milliseconds = performance.now() - start;
      const packed = packTensors(request.timed ? {} : results);
      return { message: { type: "ran", outputs: packed.heads, milliseconds }, blocks: packed.blocks };
    }
    case "release":
      await sessions.get(request.session)?.release();
      sessions.delete(request.session);
      return { message: { type: "released" }, blocks: [] };
  }
}

function sessionOf(number: number): SessionBackend {
  const session = sessions.get(number);
  if (session === undefined) throw new Error(`no session ${number}`);
  return session;
}

process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
const watch = await startWatch();
writeFrame(answers, { message: { type: "ready" } satisfies Answer, blocks: [] });
for (let frame = readFrame<Request>(requests); frame !== undefined; frame = readFrame<Request>(requests)) {
  watch.begin(frame.message.limits);
  const reply = await serve(frame.message, frame.blocks).catch((error: unknown): Reply => ({
    message: { type: "failed", error: recordError(error) },
    blocks: [],
  }));
  watch.end();
  writeFrame(answers, reply);
}
