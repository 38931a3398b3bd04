import { readSync, writeSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { deserialize, serialize } from "node:v8";

/**
 * Messages between this process and the one that runs ONNX Runtime, over plain pipes: Node's own channel copies
 * tensors at a tenth of the speed. A frame is the length of its head (4 bytes), the head, and the bytes of its blocks,
 * whose lengths stand in the head.
 */
export interface Frame<T> {
  message: T;
  blocks: readonly Uint8Array[];
}

interface Head {
  message: unknown;
  lengths: number[];
}

function encodeHead({ message, blocks }: Frame<unknown>): Uint8Array[] {
  const head = serialize({ message, lengths: blocks.map(({ byteLength }) => byteLength) } satisfies Head);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(head.byteLength);
  return [length, head];
}

/** Queues a frame. Its blocks must not change before it was `sent`, or an answer has come. */
export function sendFrame(
  stream: Writable,
  frame: Frame<unknown>,
  sent: (error?: Error | null) => void = () => undefined,
): void {
  const parts = [...encodeHead(frame), ...frame.blocks].filter(({ byteLength }) => byteLength > 0);
  // All parts go to the system together.
  stream.cork();
  parts.forEach((part, index) => stream.write(part, index === parts.length - 1 ? sent : undefined));
  stream.uncork();
}

/** Writes a frame and returns when it is gone. */
export function writeFrame(descriptor: number, frame: Frame<unknown>): void {
  for (const part of [...encodeHead(frame), ...frame.blocks])
    for (let done = 0; done < part.byteLength;)
      done += retry(() => writeSync(descriptor, part, done, Math.min(transferLimit, part.byteLength - done)));
}

/** Waits for the next frame; undefined when the other side is gone. */
export function readFrame<T>(descriptor: number): Frame<T> | undefined {
  const length = readBlock(descriptor, 4);
  const head = length && readBlock(descriptor, Buffer.from(length.buffer).readUInt32LE());
  if (head === undefined) return undefined;
  const { message, lengths } = deserialize(head) as Head;
  const blocks: Uint8Array[] = [];
  for (const size of lengths) {
    const block = readBlock(descriptor, size);
    if (block === undefined) return undefined;
    blocks.push(block);
  }
  return { message: message as T, blocks };
}

/** One system call moves at most this many bytes. */
const transferLimit = 2 ** 30;

function readBlock(descriptor: number, size: number): Uint8Array | undefined {
  const block = new Uint8Array(size);
  for (let done = 0; done < size;) {
    const got = retry(() => readSync(descriptor, block, done, Math.min(transferLimit, size - done), null));
    if (got === 0) return undefined;
    done += got;
  }
  return block;
}

/** A pipe that does not block says EAGAIN; then a millisecond passes. */
function retry(transfer: () => number): number {
  for (;;) {
    try {
      return transfer();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** Calls `receive` with every frame that comes on a stream. */
export function receiveFrames<T>(stream: Readable, receive: (frame: Frame<T>) => void): void {
  const parser = parseFrames<T>(receive);
  parser.next();
  stream.on("data", (chunk: Uint8Array) => parser.next(chunk));
}

/** Takes chunks, and hands a frame over whenever one is complete. */
function* parseFrames<T>(receive: (frame: Frame<T>) => void): Generator<undefined, never, Uint8Array> {
  let chunk: Uint8Array = new Uint8Array(0);
  function* take(size: number): Generator<undefined, Uint8Array, Uint8Array> {
    const block = new Uint8Array(size);
    for (let done = 0; done < size;) {
      if (chunk.byteLength === 0) chunk = yield undefined;
      const part = chunk.subarray(0, size - done);
      block.set(part, done);
      done += part.byteLength;
      chunk = chunk.subarray(part.byteLength);
    }
    return block;
  }
  for (;;) {
    const length = Buffer.from((yield* take(4)).buffer).readUInt32LE();
    const { message, lengths } = deserialize(yield* take(length)) as Head;
    const blocks: Uint8Array[] = [];
    for (const size of lengths) blocks.push(yield* take(size));
    receive({ message: message as T, blocks });
  }
}
