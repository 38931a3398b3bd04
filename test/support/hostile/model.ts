import type { Dim } from "../../../src/ir/model.ts";

/** A file that means harm, or that is far larger than what exporters write. */
export interface HostileModel {
  name: string;
  /** The bytes of the file. */
  bytes: () => Uint8Array;
  /** Takes seconds or much memory, so that only `npm run check:hostile` looks at it. */
  slow?: boolean;
  /** Files beside it, and links, devices and the like; called with the folder it lies in. */
  beside?: (folder: string) => void;
  /** What `inspect` must answer: "ok", or the code of the error; default: either. */
  answer?: string;
  /** Shape of one batch of data that fits the model, to quantize it with. */
  data?: readonly number[];
}

/** Dimensions of an input. */
export type Shape = readonly Dim[];
