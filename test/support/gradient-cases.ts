import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { decodeModel, encodeModel } from "../../src/onnx/index.ts";
import {
  differentiate,
  type Differentiated,
  type DifferentiateOptions,
} from "../../src/autodiff/differentiate.ts";
import { contribOpsets } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { Session } from "../../src/runtime/session.ts";
import { isFloat, type DataType } from "../../src/tensor/data-type.ts";
import { tensorOfBytes, toNumbers, type Tensor } from "../../src/tensor/tensor.ts";

/** Files of cases in fixtures/gradients; see the scripts of scripts/fixtures that write them. */
const caseFiles = ["cases", "layers", "recurrent", "sampling"] as const;
export type CaseFile = (typeof caseFiles)[number];

/** A case of fixtures/gradients, as scripts/fixtures/gradient_case.py packs it. */
export interface GradientCase {
  file: CaseFile;
  op: string;
  name: string;
  model: Model;
  opset: number;
  feeds: Record<string, Tensor>;
  parameters: string[];
  weights: { codes: string; scale: string; rows: string }[];
  expected: Record<string, Tensor>;
  /** Relative error of the norm that is allowed, where it is not the usual 1e-4. */
  tolerance?: number;
}

/** A tensor as the scripts of scripts/fixtures write it into JSON. */
export interface PackedTensor {
  dtype: DataType;
  shape: number[];
  data: string;
}
type PackedCase = Omit<GradientCase, "file" | "model" | "feeds" | "expected"> & {
  model: string;
  feeds: Record<string, PackedTensor>;
  expected: Record<string, PackedTensor>;
};

export function readGradientCases(): GradientCase[] {
  const cases = caseFiles.flatMap((file) => {
    const text = gunzipSync(readFileSync(`fixtures/gradients/${file}.json.gz`)).toString();
    return (JSON.parse(text) as { cases: PackedCase[] }).cases.map((packed) => ({ ...packed, file }));
  });
  return cases.map((packed) => ({
    ...packed,
    model: decodeModel(Buffer.from(packed.model, "base64")),
    feeds: unpackAll(packed.feeds),
    expected: unpackAll(packed.expected),
  }));
}

export function unpackAll(packed: Record<string, PackedTensor>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(packed).map(([name, each]) => [name, unpack(each)]));
}

export const unpack = ({ dtype, shape, data }: PackedTensor): Tensor =>
  tensorOfBytes(dtype, shape, new Uint8Array(Buffer.from(data, "base64")));

/** The case's model with all its gradients as further outputs. */
export function buildGradientModel(
  gradientCase: GradientCase,
  lowering: Pick<DifferentiateOptions, "portable" | "algorithms">,
): { model: Model; differentiated: Differentiated } {
  const { model, parameters, weights, opset } = gradientCase;
  const differentiated = differentiate(model.graph, {
    loss: "loss",
    parameters,
    weights,
    opset,
    ...lowering,
  });
  const { graph, gradients } = differentiated;
  const outputs = [...gradients].map(([parameter, name]) => ({
    name,
    type: {
      kind: "tensor" as const,
      dtype: floatOf(gradientCase.expected[parameter]?.dtype),
      shape: undefined,
    },
  }));
  return {
    model: {
      ...model,
      opsets: new Map([...model.opsets, ...contribOpsets(graph)]),
      graph: { ...graph, outputs: [...graph.outputs, ...outputs] },
    },
    differentiated,
  };
}

const floatOf = (dtype: DataType = "float32"): DataType => (isFloat(dtype) ? dtype : "float32");

/** Runs a differentiated case in ONNX Runtime; gradients by parameter. */
export async function runGradients(
  gradientCase: GradientCase,
  lowering: Pick<DifferentiateOptions, "portable" | "algorithms">,
): Promise<Record<string, Tensor>> {
  const { model, differentiated } = buildGradientModel(gradientCase, lowering);
  const session = await Session.create(encodeModel(model), {
    threads: 1,
    config: { "session.disable_quant_qdq": "1" },
  });
  try {
    const outputs = await session.run(gradientCase.feeds);
    return Object.fromEntries(
      [...differentiated.gradients].map(([parameter, name]) => [parameter, outputs[name] as Tensor]),
    );
  } finally {
    await session.release();
  }
}

/** Norm of the difference over the norm of the reference; the bare difference where the reference is 0. */
export function relativeError(actual: Tensor, reference: Tensor): number {
  const [a, b] = [toNumbers(actual), toNumbers(reference)];
  const norm = Math.hypot(...b);
  const difference = Math.hypot(...a.map((value, i) => value - (b[i] as number)));
  return norm === 0 ? difference : difference / norm;
}
