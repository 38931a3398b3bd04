import type { OptimizerBuilder } from "./ports.ts";

/** One member of a vector of small parameters. */
export interface Member {
  name: string;
  shape: readonly number[];
}

/** Where each member lies in a vector state tensor such as `parameters.momentum`. */
export interface VectorLayout {
  name: string;
  members: { name: string; offset: number; length: number }[];
}

const lengthOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Positions of the members in their vector. */
export function layoutOf(name: string, members: readonly Member[]): VectorLayout {
  let offset = 0;
  const entries = members.map((member) => {
    const length = lengthOf(member.shape);
    offset += length;
    return { name: member.name, offset: offset - length, length };
  });
  return { name, members: entries };
}

export const vectorLength = (members: readonly Member[]): number =>
  members.reduce((sum, { shape }) => sum + lengthOf(shape), 0);

/** Concatenates tensors into one vector, so that one update serves all of them. */
export function joinVector(builder: OptimizerBuilder, values: readonly string[]): string {
  const { emit } = builder;
  const flat = values.map((value) => emit.op("Reshape", [value, builder.integers([-1])]));
  return flat.length === 1 ? (flat[0] as string) : emit.op("Concat", flat, { axis: 0 });
}

/** Cuts a vector into the members' shapes again. */
export function splitVector(builder: OptimizerBuilder, vector: string, members: readonly Member[]): string[] {
  const { emit } = builder;
  const parts =
    members.length === 1
      ? [vector]
      : emit.node("Split", [vector, builder.integers(members.map(({ shape }) => lengthOf(shape)))], {
          attributes: { axis: 0 },
          outputCount: members.length,
        });
  return parts.map((part, index) =>
    emit.op("Reshape", [part, builder.integers(members[index]?.shape ?? [])]),
  );
}
