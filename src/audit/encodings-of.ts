import type { ModelEncodings } from "../calibration/encodings/write-encodings.ts";
import type { Encoding } from "../calibration/encodings/encodings.ts";
import { valueOfCodes } from "../ir/derived-names.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import { readNumbers } from "../tensor/read-numbers.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Endings that tools give to codes, scales aside: ours, and that of onnxruntime.quantization. */
const endings = /(\.float|_quantized)$/;

/**
 * Scales and offsets of all that QuantizeLinear and DequantizeLinear say of a model's values and weights, whoever wrote it.
 * `skipped`: quantizers that no encoding tells, such as those of blocks or of scales that are computed.
 */
export function encodingsOf({ graph }: Model): ModelEncodings & { skipped: string[] } {
  const activations = new Map<string, Encoding>();
  const weights = new Map<string, Encoding[]>();
  const skipped: string[] = [];
  for (const node of graph.nodes) {
    const isQuantizer = node.opType === "QuantizeLinear";
    if (!isQuantizer && node.opType !== "DequantizeLinear") continue;
    const [input = ""] = node.inputs;
    const isWeight = graph.initializers.has(input);
    // Codes of activations are told of by the node that makes them; int32 codes are biases.
    if ((!isQuantizer && !isWeight) || graph.initializers.get(input)?.dtype === "int32") continue;
    const rows = rowsOf(graph, node);
    const name = valueOfCodes(input).replace(endings, "");
    if (rows === undefined || (rows.length !== 1 && !isWeight)) skipped.push(name);
    else if (isWeight) weights.set(name, rows);
    else activations.set(name, rows[0] as Encoding);
  }
  return { activations, weights, skipped };
}

function rowsOf({ initializers }: Graph, node: Node): Encoding[] | undefined {
  const [, scaleName = "", zeroName = ""] = node.inputs;
  const [scales, zeros] = [initializers.get(scaleName), initializers.get(zeroName)];
  if (scales === undefined || scales.dims.length > 1) return undefined;
  if (zeroName !== "" && zeros === undefined) return undefined;
  const [, sign, width = "8"] = /^(u?)int(\d+)$/.exec(zeros?.dtype ?? "uint8") ?? [];
  if (sign === undefined) return undefined;
  const bits = Number(width);
  const signed = sign === "";
  const points = zeros === undefined ? [0] : numbersOf(zeros);
  return numbersOf(scales).map((scale, row) => {
    const zero = points[row] ?? points[0] ?? 0;
    const offset = -(signed ? zero + 2 ** (bits - 1) : zero);
    return { bits, scale, offset: offset + 0, symmetric: signed && zero === 0 };
  });
}

const numbersOf = (tensor: Tensor): number[] => Array.from(readNumbers(tensor));
