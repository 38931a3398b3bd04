import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../../atomic-file.ts";
import { environmentError } from "../../errors.ts";
import { maskedCrc } from "./masked-crc.ts";

/** Version of the format, as TensorBoard's readers expect it in the first event. */
const fileVersion = "brain.Event:2";

/** A file of scalars as TensorBoard reads them, growing while a run goes on. */
export interface EventFile {
  /** Numbers by tag, of one step. */
  add(step: number, scalars: Readonly<Record<string, number | undefined>>): void;
}

/** Starts a file in a folder, which is made where it is missing. Readers take all files of a folder for one run. */
export async function openEventFile(folder: string): Promise<EventFile> {
  await makeFolder(folder);
  const seconds = Math.floor(Date.now() / 1000);
  const path = join(folder, `events.out.tfevents.${seconds}.efqat.${process.pid}`);
  const append = (event: Uint8Array): void => {
    try {
      appendFileSync(path, record(event));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw environmentError(
        "write",
        `Events cannot be written: ${reason}`,
        path,
        "Choose another --tensorboard.",
      );
    }
  };
  append(Buffer.concat([wallTime(), field(3, Buffer.from(fileVersion))]));
  return {
    add(step, scalars) {
      const values = Object.entries(scalars).filter(
        (entry): entry is [string, number] => entry[1] !== undefined,
      );
      if (values.length === 0) return;
      const summary = Buffer.concat(values.map(([tag, value]) => field(1, scalar(tag, value))));
      append(Buffer.concat([wallTime(), Buffer.from([0x10]), varint(step), field(5, summary)]));
    },
  };
}

/** TFRecord: length and its checksum, the bytes and theirs. */
function record(bytes: Uint8Array): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.byteLength));
  return Buffer.concat([length, checksum(length), bytes, checksum(bytes)]);
}

function checksum(bytes: Uint8Array): Uint8Array {
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(maskedCrc(bytes));
  return crc;
}

/** Summary.Value: tag (1) and simple_value (2), a float. */
function scalar(tag: string, value: number): Uint8Array {
  const simple = Buffer.alloc(5);
  simple[0] = 0x15;
  simple.writeFloatLE(value, 1);
  return Buffer.concat([field(1, Buffer.from(tag)), simple]);
}

/** Event.wall_time (1), a double: seconds since 1970. */
function wallTime(): Uint8Array {
  const time = Buffer.alloc(9);
  time[0] = 0x09;
  time.writeDoubleLE(Date.now() / 1000, 1);
  return time;
}

/** A field of bytes (protobuf's wire type 2). */
const field = (number: number, bytes: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.byteLength), bytes]);

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
