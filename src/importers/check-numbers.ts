import { join } from "node:path";
import { readWhole } from "../data/loaders/npy.ts";
import { openNpz } from "../data/loaders/npz.ts";
import { UserError } from "../errors.ts";
import type { Model } from "../ir/model.ts";
import { withSession } from "../runtime/open-model.ts";
import { addNoise } from "../tensor/agreement.ts";
import { isFloat } from "../tensor/data-type.ts";
import { readNumbers } from "../tensor/read-numbers.ts";
import { type Tensor, tensorOfBytes } from "../tensor/tensor.ts";
import type { Exported } from "./python-result.ts";

/** How far one output is from the framework's, over all feeds. */
export interface OutputCheck {
  output: string;
  /** Norm of the difference over that of what was expected; of integers the share that differs. */
  error: number;
}

export type NumbersCheck = { agrees: true; outputs: OutputCheck[] } | { agrees: false; why: string };

/** Largest relative error of floats: two runtimes sum float32 in different orders, through some hundred layers. */
const mostError = 1e-3;

/** Runs the exported model on the feeds beside it, of every size, and compares with what the framework computed. */
export async function checkNumbers(model: Model, folder: string, exported: Exported): Promise<NumbersCheck> {
  const sums = exported.outputs.map((output) => ({ output, signal: 0, noise: 0, floats: true }));
  try {
    await withSession(model, {}, async (session) => {
      for (let number = 0; number < exported.references; number++) {
        const feeds = await readArrays(join(folder, `feed-${number}.npz`), exported.inputs);
        const expected = await readArrays(join(folder, `expected-${number}.npz`), exported.outputs);
        const found = await session.run(pick(feeds, session.inputs));
        for (const sum of sums) addOutput(sum, expected[sum.output] as Tensor, found[sum.output], feeds);
      }
    });
  } catch (error) {
    if (error instanceof UserError) return { agrees: false, why: error.message };
    throw error;
  }
  const outputs = sums.map(({ output, signal, noise, floats }) => ({
    output,
    error: floats ? Math.sqrt(noise / Math.max(signal, Number.MIN_VALUE)) : noise / Math.max(signal, 1),
  }));
  const off = outputs.find(({ error }) => !(error <= mostError));
  if (off === undefined) return { agrees: true, outputs };
  return { agrees: false, why: `output "${off.output}" is ${describeError(off.error)} off` };
}

const describeError = (error: number): string =>
  Number.isFinite(error) ? `${(100 * error).toPrecision(2)} %` : "not finite, or of another shape, and so";

/** Inputs that the exporter found of no use are no inputs of the file. */
const pick = (
  feeds: Readonly<Record<string, Tensor>>,
  inputs: readonly { name: string }[],
): Record<string, Tensor> => Object.fromEntries(inputs.map(({ name }) => [name, feeds[name] as Tensor]));

function addOutput(
  sum: { signal: number; noise: number; floats: boolean },
  expected: Tensor,
  found: Tensor | undefined,
  feeds: Readonly<Record<string, Tensor>>,
): void {
  if (found === undefined || found.dims.join() !== expected.dims.join() || Object.keys(feeds).length === 0) {
    sum.noise = Infinity;
    return;
  }
  const [wanted, given] = [readNumbers(expected), readNumbers(found)];
  sum.floats = isFloat(expected.dtype);
  if (sum.floats) return addNoise(sum, wanted, given);
  sum.signal += wanted.length;
  for (const [i, value] of wanted.entries()) if (given[i] !== value) sum.noise++;
}

/** Arrays of an archive in their order, by the names that they have elsewhere. */
async function readArrays(path: string, names: readonly string[]): Promise<Record<string, Tensor>> {
  const file = await openNpz(path);
  const arrays = names.map(async (name, index): Promise<[string, Tensor]> => {
    const array = await file.open(String(index));
    return [name, tensorOfBytes(array.dtype, [...array.dims], await readWhole(array))];
  });
  return Object.fromEntries(await Promise.all(arrays));
}
