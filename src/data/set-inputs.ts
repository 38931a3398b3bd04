import { dataError, usageError } from "../errors.ts";
import { elementCount, floats, type Tensor, tensorOf } from "../tensor/tensor.ts";
import { convertElements } from "./convert-elements.ts";
import type { Dataset } from "./dataset.ts";
import type { ModelInput } from "./model-input.ts";
import { batchAxisOf } from "./place-samples.ts";

/** Throws a usage error when `option` names inputs that the model does not have. */
export function checkInputNames(
  names: readonly string[],
  inputs: readonly ModelInput[],
  option: string,
): void {
  const unknown = names.find((name) => !inputs.some((input) => input.name === name));
  if (unknown === undefined) return;
  throw usageError(
    option.replace(/^-+/, ""),
    `The model has no input "${unknown}"; it has: ${inputs.map(({ name }) => name).join(", ")}`,
    option,
    "Use one of these names.",
  );
}

/** The data set with constant values for the inputs named in `set`. */
export function withSetInputs(
  dataset: Dataset,
  inputs: readonly ModelInput[],
  set: Readonly<Record<string, readonly number[]>>,
): Dataset {
  const fixed = inputs.filter(({ name }) => Object.hasOwn(set, name));
  return {
    ...dataset,
    describe: () => ({ ...dataset.describe(), set }),
    async read(indices, options) {
      const batch = await dataset.read(indices, options);
      const values = fixed.map((input): [string, Tensor] => [
        input.name,
        constantFeed(input, set[input.name] ?? [], batch.size),
      ]);
      return { ...batch, inputs: { ...batch.inputs, ...Object.fromEntries(values) } };
    },
  };
}

function constantFeed(input: ModelInput, values: readonly number[], rows: number): Tensor {
  const axis = batchAxisOf(input);
  const dims = input.shape.map((dim, at) => (typeof dim === "number" ? dim : at === axis ? rows : 1));
  const count = elementCount(dims);
  const copies = count / values.length;
  const repeats = axis === 0 || dims.length === 0 || values.length === 1 || copies === 1;
  if (!Number.isInteger(copies) || !repeats) {
    throw dataError(
      "set",
      `Input "${input.name}" takes ${count / Math.max(1, rows)} values a sample, --set gives ${values.length}`,
      "--set",
      "Give one value for all elements, or as many as it has.",
    );
  }
  const all = Array.from({ length: count }, (_, at) => values[at % values.length] as number);
  const source = tensorOf("float64", dims, Float64Array.from(all));
  return input.dtype === "bool"
    ? tensorOf(
        "bool",
        dims,
        Uint8Array.from(all, (value) => (value === 0 ? 0 : 1)),
      )
    : input.dtype === "float32"
      ? floats(all, dims)
      : convertElements(integral(source, input), input.dtype, `--set ${input.name}`);
}

/** Whole numbers as an integer tensor, so that they can become any integer type. */
function integral(source: Tensor, input: ModelInput): Tensor {
  const values = new Float64Array(source.bytes.buffer);
  if (!input.dtype.includes("int")) return source;
  const wrong = values.find((value) => !Number.isSafeInteger(value));
  if (wrong !== undefined)
    throw dataError(
      "set",
      `Input "${input.name}" is ${input.dtype}, --set gives ${wrong}`,
      "--set",
      "Give whole numbers.",
    );
  return tensorOf("int64", source.dims, BigInt64Array.from(values, BigInt));
}
