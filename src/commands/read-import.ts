import { usageError } from "../errors.ts";
import type { ImportTask, InputSpec } from "../workflows/index.ts";
import type { OptionReader } from "./option-reader.ts";
import { readByInput } from "./read-inputs.ts";

/** What all importers take. */
export function readImport(
  options: OptionReader,
): Pick<ImportTask, "python" | "openAxes" | "fixedBatch" | "opset"> {
  const axes = readByInput(options, "open-axes", "input_ids=1", (part) =>
    /^\d+$/.test(part) ? Number(part) : undefined,
  );
  return {
    python: options.text("python"),
    openAxes: axes ?? {},
    fixedBatch: options.flag("fixed-batch"),
    opset: options.number("opset", { min: 7, max: 30, integer: true }),
  };
}

export const readExporter = (options: OptionReader) =>
  options.choice("exporter", ["auto", "dynamo", "torchscript"]);

const dtypes = ["float32", "float64", "float16", "int64", "int32", "int8", "uint8", "bool"] as const;

/** --input: [NAME=]1x3x224x224[:TYPE], separated by commas. */
export function readInputSpecs(options: OptionReader): InputSpec[] {
  return (options.words("input") ?? []).map((word) => {
    const {
      name,
      sizes = "",
      type = "float32",
    } = /^(?:(?<name>.+)=)?(?<sizes>\d+(?:x\d+)*)(?::(?<type>\w+))?$/.exec(word)?.groups ?? {};
    const dtype = dtypes.find((known) => known === type);
    const shape = sizes.split("x").map(Number);
    if (sizes === "" || dtype === undefined || shape.some((size) => size < 1 || size > 2 ** 31))
      throw wrong(word);
    return { name, shape, dtype };
  });
}

const wrong = (word: string) =>
  usageError(
    "input",
    `The value of --input has the part "${word}"`,
    "--input",
    `Give shapes such as 1x3x224x224, or NAME=1x16:int64 (${dtypes.join(", ")}), separated by commas.`,
  );
