import { tensorOf, viewAs } from "../../tensor/tensor.ts";
import { stateTensor, type TrainingState } from "../state.ts";
import type { StepCosts } from "./selection.ts";
import {
  type ImportanceMetric,
  importanceMetrics,
  type ImportanceName,
  type LayerStatistics,
} from "./importance.ts";
import { type SelectionMode, selectionModes } from "./modes.ts";
import type { Candidate } from "./selection.ts";
import { rowSize, rowsShape, sameRows } from "./rows.ts";
import { thawRow, type ThawSource } from "./thaw.ts";

/** Which rows train: how many, chosen how, and how often they are chosen again. */
export interface FreezingOptions {
  mode: SelectionMode;
  /** Share of rows (CWPL, CWPN) or of weight elements (LWPN) that train, 0 to 1. */
  ratio: number;
  /** Share of the time of a full backward that the mode `cost` may spend, 0 to 1. */
  budget: number;
  importance: ImportanceName;
  /** Samples between two selections. */
  refresh: number;
}

/** The paper's own setting. What others are worth: docs/ablation.md. */
export const defaultFreezingOptions: FreezingOptions = {
  mode: "cwpl",
  ratio: 0.25,
  budget: 0.5,
  importance: "magnitude",
  refresh: 4096,
};

/** A quantized weight as freezing sees it: facts, and the names of its state tensors. */
export interface FreezableWeight {
  name: string;
  shape: readonly number[];
  axis: number;
  qmin: number;
  qmax: number;
  codes: string;
  scale: string;
  rows: string;
  latent: string;
  /** Optimizer state with one row per trained row. */
  slots: readonly { name: string; perElement: boolean }[];
}

/** What a choice of rows may look at beside the state. */
export interface Knowledge {
  /** The float weights that quantized ones were made from, by name. */
  floatWeights: ReadonlyMap<string, Float32Array>;
  /** What was measured for the importance metric, by weight name. */
  statistics?: ReadonlyMap<string, LayerStatistics> | undefined;
  costs?: StepCosts | undefined;
  /** Importance of what trains whatever rows do, by name (see Allowance). */
  standing?: ReadonlyMap<string, number> | undefined;
  /** Where the backward has to end (see Allowance). */
  end?: string | undefined;
}

/** Rows that train, rows among them that did not before, and where the backward ends (see Selection). */
export interface Refreshed {
  trained: number;
  started: number;
  first: string | null;
  /** Rows of each weight that train, in the weights' order. */
  rows: number[];
}

/**
 * Chooses the rows to train from the weights as they stand, and brings latents and optimizer state in line:
 * rows that stay keep theirs, rows that start get latents by {@link thawRow} and zeroed optimizer state, and
 * rows that stop leave only their codes.
 */
export function refreshRows(
  state: TrainingState,
  weights: readonly FreezableWeight[],
  options: Omit<FreezingOptions, "refresh">,
  { floatWeights, statistics, ...known }: Knowledge,
): Refreshed {
  const candidates = weights.map((weight): Candidate => {
    const about = { float: floatWeights.get(weight.name), ...statistics?.get(weight.name) };
    const metric: ImportanceMetric = importanceMetrics[options.importance];
    const importance = metric.score({ ...weight, ...codesOf(state, weight), ...about });
    return { name: weight.name, importance, rowSize: rowSize(weight.shape, weight.axis) };
  });
  const chosen = selectionModes[options.mode](candidates, { ...options, ...known });
  let trained = 0;
  let started = 0;
  const counts: number[] = [];
  weights.forEach((weight, index) => {
    const rows = BigInt64Array.from(chosen.rows[index] ?? [], BigInt);
    trained += rows.length;
    counts.push(rows.length);
    started += retrain(state, weight, rows, floatWeights.get(weight.name));
  });
  return { trained, started, first: chosen.first ?? null, rows: counts };
}

function codesOf(state: TrainingState, weight: FreezableWeight): { codes: Int8Array; scale: Float32Array } {
  return {
    codes: viewAs(stateTensor(state, weight.codes), "int8"),
    scale: viewAs(stateTensor(state, weight.scale), "float32"),
  };
}

/** Makes `rows` the trained rows of one weight; returns how many did not train before. */
function retrain(
  state: TrainingState,
  weight: FreezableWeight,
  rows: BigInt64Array,
  float: Float32Array | undefined,
): number {
  const known = state.get(weight.rows);
  const before = known === undefined ? new BigInt64Array(0) : viewAs(known, "int64");
  if (known !== undefined && sameRows(before, rows)) return 0;
  const position = new Map(Array.from(before, (row, index) => [row, index]));
  const source: ThawSource = { ...weight, ...codesOf(state, weight), float };
  const size = rowSize(weight.shape, weight.axis);
  const shape = rowsShape(weight.shape, weight.axis, rows.length);
  const latent = carryRows(state, weight.latent, rows, position, size);
  let started = 0;
  rows.forEach((row, index) => {
    if (position.has(row)) return;
    started++;
    thawRow(source, Number(row), latent, index * size);
  });
  for (const { name, perElement } of weight.slots) {
    const slot = carryRows(state, name, rows, position, perElement ? size : 1);
    state.set(name, tensorOf("float32", perElement ? shape : [rows.length], slot));
  }
  state.set(weight.latent, tensorOf("float32", shape, latent));
  state.set(weight.rows, tensorOf("int64", [rows.length], rows));
  return started;
}

/** A per-row state tensor for the new rows: rows that trained before keep their values, the others are zero. */
function carryRows(
  state: TrainingState,
  name: string,
  rows: BigInt64Array,
  position: ReadonlyMap<bigint, number>,
  size: number,
): Float32Array {
  const result = new Float32Array(rows.length * size);
  if (position.size === 0) return result;
  const before = viewAs(stateTensor(state, name), "float32");
  rows.forEach((row, index) => {
    const from = position.get(row);
    if (from !== undefined) result.set(before.subarray(from * size, (from + 1) * size), index * size);
  });
  return result;
}
