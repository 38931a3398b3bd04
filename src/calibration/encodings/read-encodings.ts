import { readFile, stat } from "node:fs/promises";
import { dataError, systemCodeOf, type UserError } from "../../errors.ts";
import type { Encodings } from "./encodings.ts";
import { readAimet } from "./read-aimet.ts";
import { readTableJson, readTableText } from "./read-table.ts";

/** Largest file that is read, in bytes: scales of a million rows. */
const mostBytes = 2 ** 28;

/**
 * Reads ranges of values and scales of weights that another tool wrote: AIMET's encodings (0.6.1, 1.0.0, 2.0.0; overrides of QNN), or a
 * calibration table of onnxruntime.quantization or TensorRT. Throws UserError data/encodings.
 */
export async function readEncodings(path: string): Promise<Encodings> {
  const { size } = await stat(path).catch((error: unknown) => {
    throw wrong(path, systemCodeOf(error) === "ENOENT" ? "does not exist" : "cannot be read");
  });
  if (size > mostBytes) throw wrong(path, `has ${size} bytes, more than encodings ever take`);
  const text = await readFile(path, "utf8").catch(() => {
    throw wrong(path, "cannot be read");
  });
  const found = parseEncodings(text);
  if (found === undefined) throw wrong(path, "has none of the known forms");
  const empty = [...found.ranges].find(([, { min, max }]) => !(min <= max));
  if (empty !== undefined) throw wrong(path, `has an empty range for "${empty[0]}"`);
  return found;
}

export function parseEncodings(text: string): Encodings | undefined {
  if (!text.trimStart().startsWith("{")) return readTableText(text);
  try {
    const json: unknown = JSON.parse(text);
    return readAimet(json) ?? readTableJson(json);
  } catch {
    return undefined;
  }
}

const wrong = (where: string, what: string): UserError =>
  dataError(
    "encodings",
    `The file of encodings ${what}`,
    where,
    "Give AIMET's JSON encodings (0.6.1, 1.0.0 or 2.0.0), or calibration.json or calibration.cache of onnxruntime.quantization.",
  );
