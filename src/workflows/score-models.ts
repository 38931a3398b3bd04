import { batches } from "../data/batches.ts";
import type { Batch, Dataset } from "../data/dataset.ts";
import { dataError } from "../errors.ts";
import type { ModelSource } from "../runtime/open-model.ts";
import { openSession } from "../runtime/open-model.ts";
import type { Session } from "../runtime/session.ts";
import type { Score } from "../report/report-data.ts";
import { type Tensor, viewAs } from "../tensor/tensor.ts";
import { breathe, type RunContext, type RuntimeOptions, sessionOptionsOf } from "./context.ts";
import { createTally, type Tally } from "./tally.ts";

export interface Contender {
  model: Score["model"];
  source: ModelSource;
}

export interface ScoreOptions extends RuntimeOptions {
  /** Samples per run, where the models leave it open. */
  batch: number;
  /** Output to judge; default: the first. */
  output?: string | undefined;
  /** The output holds probabilities (a Softmax ends the model) rather than logits. */
  probabilities?: boolean;
}

/**
 * Runs models over a data set in one pass, in ONNX Runtime with all optimizations, and scores each: top-1, top-5
 * and cross-entropy where there are labels and the output is [N, classes]; SQNR and top-1 agreement of each
 * against the first one.
 */
export async function scoreModels(
  contenders: readonly Contender[],
  dataset: Dataset,
  options: ScoreOptions,
  context: RunContext,
): Promise<Score[]> {
  const opened: { contender: Contender; session: Session; tally: Tally }[] = [];
  try {
    for (const contender of contenders) {
      const session = await openSession(contender.source, sessionOptionsOf(options));
      opened.push({ contender, session, tally: createTally(options.probabilities ?? false) });
    }
    const batch =
      dataset.samplesPerRun ?? Math.min(...opened.map(({ session }) => session.fixedBatch ?? options.batch));
    let done = 0;
    for await (const samples of batches(dataset, { batch })) {
      let reference: Float32Array | undefined;
      for (const { session, tally } of opened) {
        const output = await runPadded(session, samples, options.output, dataset.samplesPerRun);
        const values = viewAs(output, "float32");
        tally.add(values, output.dims, samples.labels, reference);
        reference ??= values;
        await breathe(context.signal);
      }
      done += samples.size;
      context.logger.progress("evaluate", done, dataset.length);
    }
    return opened.map(({ contender, tally }) => ({ model: contender.model, ...tally.result() }));
  } finally {
    for (const { session } of opened) await session.release();
  }
}

/** Runs one batch; a model of fixed batch size gets a short batch filled up, and what that adds is cut off again. */
async function runPadded(
  session: Session,
  batch: Batch,
  wanted: string | undefined,
  samplesPerRun: number | undefined,
): Promise<Tensor> {
  const size = samplesPerRun ?? session.fixedBatch ?? batch.size;
  const output = wanted ?? session.outputs[0]?.name ?? "";
  if (!session.outputs.some(({ name }) => name === output)) {
    throw dataError(
      "output",
      `The model has no output "${output}"; it has ${session.outputs.map(({ name }) => name).join(", ")}`,
      "--output",
    );
  }
  const feeds =
    size === batch.size
      ? batch.inputs
      : Object.fromEntries(
          Object.entries(batch.inputs).map(([name, tensor]) => [name, padRows(tensor, size)]),
        );
  const results = await session.run(feeds, [output]);
  const result = results[output] as Tensor;
  if (result.dtype !== "float32") {
    throw dataError(
      "output",
      `Output "${output}" is ${result.dtype}; only float32 outputs are judged`,
      "--output",
    );
  }
  if (size !== batch.size) return cutRows(result, batch.size);
  // A model without a batch dimension has none in its outputs either.
  return samplesPerRun === 1 && result.dims[0] !== 1 ? { ...result, dims: [1, ...result.dims] } : result;
}

function padRows(tensor: Tensor, rows: number): Tensor {
  const have = tensor.dims[0] ?? 0;
  if (have === rows) return tensor;
  const rowBytes = tensor.bytes.byteLength / have;
  const bytes = new Uint8Array(rows * rowBytes);
  bytes.set(tensor.bytes);
  return { dtype: tensor.dtype, dims: [rows, ...tensor.dims.slice(1)], bytes };
}

function cutRows(tensor: Tensor, rows: number): Tensor {
  const rowBytes = tensor.bytes.byteLength / (tensor.dims[0] ?? 1);
  return {
    dtype: tensor.dtype,
    dims: [rows, ...tensor.dims.slice(1)],
    bytes: tensor.bytes.subarray(0, rows * rowBytes),
  };
}
