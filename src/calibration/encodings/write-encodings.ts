import { type Encoding, rangeOf } from "./encodings.ts";

/** Encodings of a quantized model: activations have one entry, weights one or one for each row. */
export interface ModelEncodings {
  activations: ReadonlyMap<string, Encoding>;
  weights: ReadonlyMap<string, readonly Encoding[]>;
}

const writers = {
  "aimet-0.6.1": writeOld,
  "aimet-1.0.0": writeNew,
  onnxruntime: writeTable,
} as const;

export type EncodingsFormat = keyof typeof writers;
export const encodingsFormats = Object.keys(writers) as EncodingsFormat[];

/** The text of a file in another tool's format. Names stand in the order of the graph. */
export const writeEncodings = (encodings: ModelEncodings, format: EncodingsFormat): string =>
  `${JSON.stringify(writers[format](encodings), null, 1)}\n`;

function writeOld({ activations, weights }: ModelEncodings): unknown {
  const row = (encoding: Encoding) => {
    const { bits: bitwidth, scale, offset, symmetric } = encoding;
    const [min, max] = [offset * scale, (offset + 2 ** bitwidth - 1) * scale];
    return { bitwidth, dtype: "int", is_symmetric: symmetric ? "True" : "False", min, max, offset, scale };
  };
  return {
    version: "0.6.1",
    activation_encodings: objectOf(activations, (encoding) => [row(encoding)]),
    param_encodings: objectOf(weights, (rows) => rows.map(row)),
    excluded_layers: [],
    quantizer_args: {},
  };
}

function writeNew({ activations, weights }: ModelEncodings): unknown {
  const entry = (name: string, rows: readonly Encoding[]) => ({
    name,
    dtype: "INT",
    bw: rows[0]?.bits ?? 8,
    enc_type: rows.length === 1 ? "PER_TENSOR" : "PER_CHANNEL",
    is_sym: rows.every(({ symmetric }) => symmetric),
    scale: rows.map(({ scale }) => scale),
    offset: rows.map(({ offset }) => offset),
  });
  return {
    version: "1.0.0",
    activation_encodings: Array.from(activations, ([name, encoding]) => entry(name, [encoding])),
    param_encodings: Array.from(weights, ([name, rows]) => entry(name, rows)),
    excluded_layers: [],
    quantizer_args: {},
  };
}

/** TensorsData of onnxruntime.quantization.calibrate, which load_tensors_data reads. It knows nothing of weights. */
function writeTable({ activations }: ModelEncodings): unknown {
  const array = (data: number) => ({ data, dtype: "float32", CLS: "numpy.array" });
  return {
    CLS: "TensorsData",
    data: objectOf(activations, (encoding) => {
      const { min, max } = rangeOf(encoding);
      return { lowest: array(min), highest: array(max), CLS: "TensorData" };
    }),
    calibration_method: { CLS: "CalibrationMethod", value: "CalibrationMethod.MinMax" },
  };
}

/** An object without a prototype: names are anything. */
function objectOf<T>(table: ReadonlyMap<string, T>, write: (value: T) => unknown): Record<string, unknown> {
  const object = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of table) object[name] = write(value);
  return object;
}
