import type { ModelInput } from "../model-input.ts";
import type { DataSpec } from "../spec.ts";
import type { ModuleBatch } from "./module-batches.ts";

/** What the thread of a data module starts with. */
export interface ModuleJob {
  path: string;
  spec: DataSpec;
  inputs: readonly ModelInput[];
  /** Bytes that iterated batches may take. */
  bytes: number;
}

/** What a data module says about itself once it is open. */
export interface OpenedModule {
  length: number;
  classes: number | undefined;
  bytesInMemory: number | undefined;
  samplesPerRun: number | undefined;
}

/** A request to the thread of a data module: samples by index. */
export interface ReadRequest {
  indices: number[];
}

/** What the thread sends: signs that it goes on, and one answer each to opening and to every request. */
export type ModuleMessage =
  | { type: "alive" }
  | { type: "opened"; opened: OpenedModule }
  | { type: "batch"; batch: ModuleBatch }
  | { type: "failed"; reason: string };
