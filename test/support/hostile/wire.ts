/** Protobuf by hand, for files that no encoder would write. */
export function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.of(...bytes, Number(rest));
}

/** A length-delimited field. */
export function field(number: number, content: Uint8Array | string): Uint8Array {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.byteLength), bytes]);
}

/** A field that holds an integer. */
export const number = (id: number, value: number | bigint): Uint8Array =>
  Buffer.concat([varint(id << 3), varint(value)]);

/** A model around the fields of a graph: opset 17, and `extra` fields of the model. */
export const modelOfFields = (graph: Uint8Array, ...extra: Uint8Array[]): Uint8Array =>
  Buffer.concat([number(1, 8), field(8, number(2, 17)), field(7, graph), ...extra]);

/** A node: y = opType(x). */
export const node = (opType: string, input: string, output: string, ...extra: Uint8Array[]): Uint8Array =>
  Buffer.concat([field(1, input), field(2, output), field(4, opType), ...extra]);

/** The fields of a graph: nodes, inputs of type float[N, 4], outputs without a type. */
export const graphFields = (
  nodes: readonly Uint8Array[],
  { inputs = ["x"], outputs = ["y"] }: { inputs?: readonly string[]; outputs?: readonly string[] } = {},
): Uint8Array =>
  Buffer.concat([
    ...nodes.map((each) => field(1, each)),
    field(2, "g"),
    ...inputs.map((name) => field(11, Buffer.concat([field(1, name), field(2, rowsOfFour)]))),
    ...outputs.map((name) => field(12, field(1, name))),
  ]);

/** TypeProto: tensor(float)[N, 4]. */
const rowsOfFour = field(
  1,
  Buffer.concat([number(1, 1), field(2, Buffer.concat([field(1, field(2, "N")), field(1, number(1, 4))]))]),
);
