import { graphAttribute, intList } from "../../../ir/attributes.ts";
import { Emitter } from "../../../ir/emit.ts";
import { createGraph, createValue } from "../../../ir/graph.ts";
import { GradientBuilder } from "../../../lowering/gradient-builder.ts";
import type { DataType } from "../../../tensor/data-type.ts";

/** A value of a loop: of its start where it is a state, else one of each step, stacked along the first axis. */
export interface LoopValue {
  value: string;
  /** Of one step. */
  shape: readonly number[];
}

export interface StepResult {
  states: readonly string[];
  outputs: readonly string[];
}

export interface ScanOptions {
  dtype: DataType;
  /** Steps go from the last to the first. */
  backwards: boolean;
  states: readonly LoopValue[];
  inputs: readonly LoopValue[];
  /** Shapes of what each step gives besides the states. */
  outputs: readonly (readonly number[])[];
  step(b: GradientBuilder, states: readonly string[], inputs: readonly string[]): StepResult;
}

/**
 * One Scan over the first axis of its inputs. Values from outside that a step reads must keep their names: those of the
 * forward do.
 *
 * @returns the last states, and the outputs of all steps, stacked in the order of the inputs.
 */
export function scanSteps(b: GradientBuilder, options: ScanOptions): { last: string[]; stacked: string[] } {
  const { dtype, backwards, states, inputs, outputs } = options;
  const body = createGraph("step");
  const inner = new GradientBuilder(new Emitter(body, b.emitter));
  const declare = ({ shape }: LoopValue): string => {
    const name = inner.emitter.fresh("step");
    body.inputs.push(createValue(name, dtype, shape));
    return name;
  };
  const [own, slices] = [states.map(declare), inputs.map(declare)];
  const result = options.step(inner, own, slices);
  const give = (value: string, shape: readonly number[]): void => {
    const name = inner.emitter.fresh("given");
    inner.emitter.op("Identity", [value], {}, { outputs: [name] });
    body.outputs.push(createValue(name, dtype, shape));
  };
  result.states.forEach((value, i) => {
    give(value, (states[i] as LoopValue).shape);
  });
  result.outputs.forEach((value, i) => {
    give(value, outputs[i] as readonly number[]);
  });
  const order = Number(backwards);
  const attributes = {
    body: graphAttribute(body),
    num_scan_inputs: inputs.length,
    scan_input_directions: intList(inputs.map(() => order)),
    scan_output_directions: intList(outputs.map(() => order)),
  };
  const all = [...states, ...inputs].map(({ value }) => value);
  const made = b.emitter.node("Scan", all, { attributes, outputCount: states.length + outputs.length });
  return { last: made.slice(0, states.length), stacked: made.slice(states.length) };
}
