import { quantizerNames } from "../ir/derived-names.ts";
import { batches } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import { feedsOf } from "../data/feeds.ts";
import { InternalError } from "../errors.ts";
import type { Model } from "../ir/model.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import { withSession } from "../runtime/open-model.ts";
import type { Session } from "../runtime/session.ts";
import { encodeValues } from "../tensor/affine.ts";
import { addNoise, type NoiseSums } from "../tensor/agreement.ts";
import { readNumbers } from "../tensor/read-numbers.ts";
import { elementCount, type Tensor, tensorOf, viewAs } from "../tensor/tensor.ts";
import type { RunOptions } from "./compare-outputs.ts";
import { type Cut, cutLayers, type CutType } from "./cut-layers.ts";
import { referenceSession, selectOutputs } from "./reference-model.ts";
import { type LayerStudent, type LayerStudy, withStudent } from "./study-layers.ts";

/** Codes after which no further batch is compared: kernels that are wrong show in fewer. */
const enoughCodes = 2 ** 24;

/** How the codes of one quantized value differ between the deployed and the reference model on equal layer inputs. */
export interface LayerComparison {
  tensor: string;
  /** Largest distance in quantization steps. */
  largestStep: number;
  /** Fraction of codes that differ, and that differ by more than one step. */
  differing: number;
  beyondOne: number;
}

/** A float output of the deployed model, computed from equal codes, against the reference's. */
export interface EqualInputsComparison extends NoiseSums {
  output: string;
  /** Fraction of elements further apart than a hundredth of the output's root mean square. */
  apart: number;
}

/**
 * Compares deployed kernels layer by layer: the reference runs in float and gives every quantized value; each layer
 * of the deployed model, in ONNX Runtime with all optimizations, gets those as its inputs; its codes are compared, and
 * the float `outputs` that are computed behind the last codes. With the `prepared` float model, both are compared with it,
 * too. Takes no more samples than hold enough codes.
 */
export async function compareLayers(
  deployed: Model,
  reference: Model,
  plan: QuantizationPlan,
  state: QuantizationState,
  dataset: Dataset,
  {
    outputs,
    prepared,
    ...options
  }: RunOptions & { outputs: readonly string[]; prepared?: Model | undefined },
): Promise<{
  samples: number;
  layers: LayerComparison[];
  outputs: EqualInputsComparison[];
  study?: LayerStudy;
}> {
  const { model, cuts } = cutLayers(deployed, plan, state, outputs);
  const values = cuts.map(({ tensor }) => valueInReference(reference, tensor));
  const observed = selectOutputs(reference, [...new Set([...values, ...outputs])]);
  const ends = outputs.map((output) => ({ output, signal: 0, noise: 0, apart: 0, total: 0 }));
  const tallies = cuts.map(({ tensor }) => ({
    tensor,
    largestStep: 0,
    differing: 0,
    beyondOne: 0,
    total: 0,
  }));
  const { batch: size, dropLast, provider, threads, exactKernels, signal } = options;
  let samples = 0;
  const compareAll = async (source: Session, target: Session, student?: LayerStudent): Promise<void> => {
    for await (const batch of batches(dataset, { batch: size, dropLast })) {
      signal?.throwIfAborted();
      const seen = await source.run(feedsOf(source.inputs, batch, dataset.name));
      const quantized = values.map((value) => seen[value] as Tensor);
      const expected = cuts.map((cut, i) => encode(quantized[i] as Tensor, cut));
      const compute = (codes: readonly Tensor[]): Promise<Record<string, Tensor>> => {
        const given = Object.fromEntries(cuts.map(({ input }, i) => [input, codes[i] as Tensor]));
        return target.run(feedsOf(target.inputs, batch, dataset.name, given));
      };
      const computed = await compute(expected);
      for (const [i, cut] of cuts.entries())
        addDifferences(tallies[i] as Tally, expected[i] as Tensor, computed[cut.output] as Tensor);
      for (const end of ends) addApart(end, seen[end.output] as Tensor, computed[end.output] as Tensor);
      const computeCodes = async (codes: readonly Tensor[]): Promise<Tensor[]> => {
        const made = await compute(codes);
        return cuts.map(({ output }) => made[output] as Tensor);
      };
      await student?.add(batch, dataset.name, encode, computeCodes, quantized);
      samples += batch.size;
      if (tallies.reduce((sum, { total }) => sum + total, 0) >= enoughCodes) break;
    }
  };
  const study = await withSession(observed, { provider, threads, ...referenceSession }, (source) =>
    withSession(model, { provider, threads, exactKernels }, (target) =>
      withStudent(prepared, cuts, { provider, threads }, async (student) => {
        await compareAll(source, target, student);
        return student?.finish();
      }),
    ),
  );
  const layers = tallies.map(({ total, differing, beyondOne, ...rest }) => ({
    ...rest,
    differing: total === 0 ? 0 : differing / total,
    beyondOne: total === 0 ? 0 : beyondOne / total,
  }));
  return {
    ...(study === undefined ? {} : { study }),
    samples,
    layers,
    outputs: ends.map(({ total, apart, ...rest }) => ({ ...rest, apart: total === 0 ? 0 : apart / total })),
  };
}

/** Adds the elements of a batch that are further apart than rounding has them. */
function addApart(end: EqualInputsComparison & { total: number }, expected: Tensor, computed: Tensor): void {
  const [a, b] = [readNumbers(expected), readNumbers(computed)];
  if (a.length !== b.length)
    throw new InternalError(`"${end.output}" has another size in the deployed model`);
  const sums = { signal: 0, noise: 0 };
  addNoise(sums, a, b);
  const bound = 0.01 * Math.sqrt(sums.signal / a.length);
  for (let i = 0; i < a.length; i++)
    if (!Object.is(a[i], b[i]) && !(Math.abs((a[i] as number) - (b[i] as number)) <= bound)) end.apart++;
  end.total += a.length;
  end.signal += sums.signal;
  end.noise += sums.noise;
}

type Tally = LayerComparison & { total: number };

/** The dequantized value in the training form: T.dq where T has its own quantizer, T itself where it only carries. */
function valueInReference({ graph }: Model, tensor: string): string {
  const outputs = new Set(graph.nodes.flatMap((node) => node.outputs));
  const { dequantized } = quantizerNames(tensor);
  return outputs.has(dequantized) ? dequantized : tensor;
}

function encode(values: Tensor, { activation, dtype, tensor }: Cut): Tensor {
  if (values.dtype !== "float32") throw new InternalError(`"${tensor}" is ${values.dtype} in the reference`);
  const codes = makeCodes[dtype](values.dims, elementCount(values.dims));
  encodeValues(viewAs(values, "float32"), activation, activation, viewAs(codes, dtype));
  return codes;
}

const makeCodes: Readonly<Record<CutType, (dims: readonly number[], length: number) => Tensor>> = {
  int8: (dims, length) => tensorOf("int8", dims, new Int8Array(length)),
  uint8: (dims, length) => tensorOf("uint8", dims, new Uint8Array(length)),
  int16: (dims, length) => tensorOf("int16", dims, new Int16Array(length)),
  uint16: (dims, length) => tensorOf("uint16", dims, new Uint16Array(length)),
};

function addDifferences(tally: Tally, expected: Tensor, computed: Tensor): void {
  const dtype = expected.dtype as CutType;
  const [a, b] = [viewAs(expected, dtype), viewAs(computed, dtype)];
  if (a.length !== b.length)
    throw new InternalError(`"${tally.tensor}" has another size in the deployed model`);
  for (let i = 0; i < a.length; i++) {
    const step = Math.abs((a[i] as number) - (b[i] as number));
    if (step === 0) continue;
    tally.differing++;
    if (step > 1) tally.beyondOne++;
    if (step > tally.largestStep) tally.largestStep = step;
  }
  tally.total += a.length;
}
