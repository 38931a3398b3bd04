import { dirname } from "node:path";
import { makeFolder, writeFileAtomically } from "../atomic-file.ts";
import type { Claim } from "../claims/claim-paths.ts";
import { contactSheet, isPicture, mostOnSheet } from "../data/contact-sheet.ts";
import { readNumbers } from "../data/convert-elements.ts";
import type { Dataset } from "../data/dataset.ts";
import { openDataset } from "../data/open-dataset.ts";
import { ownInputs } from "../data/own-inputs.ts";
import { dataError } from "../errors.ts";
import { namedValues } from "../named-values.ts";
import type { ContentsSection, Report } from "../report/report-data.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { commandPaths, dataOfModels } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import { openModelData } from "./open-data.ts";
import type { LookOptions } from "./options.ts";
import { readSource } from "./read-source.ts";
import { startReport } from "./start-report.ts";

/** Shapes that are listed of an input whose samples differ. */
const mostShapes = 8;

/** What data are taken for: samples, shapes, ranges, classes; with a model, as they feed it. */
export async function lookAtData(options: LookOptions, context: RunContext): Promise<Report> {
  const paths = await commandPaths.data(options);
  return withClaim("efqat data", paths, context, (claim) => lookClaimed(options, context, claim));
}

async function lookClaimed(options: LookOptions, context: RunContext, claim: Claim): Promise<Report> {
  const start = performance.now();
  const { data, model, samples, sheet } = options;
  const source = model === undefined ? undefined : await readSource(model, options.inputShapes);
  if (source !== undefined) await claim.addReads(dataOfModels(source.model));
  const dataset =
    source === undefined
      ? await openDataset(data, await ownInputs(data))
      : await openModelData(source.model, data);
  const { contents, pictures } = await look(dataset, samples, sheet === undefined ? 0 : mostOnSheet, context);
  if (sheet !== undefined) await writeSheet(sheet, pictures, data.path);
  return {
    ...startReport("data", options, source, start),
    data: { shown: dataset.describe() },
    contents: { ...contents, ...(sheet === undefined ? {} : { sheet }) },
  };
}

/** What was seen of an input. */
interface Seen {
  dtype: string;
  shapes: Set<string>;
  min: number;
  max: number;
  sum: number;
  count: number;
}

/** Reads samples that lie evenly over the data, and keeps the first pictures among them. */
async function look(
  dataset: Dataset,
  samples: number,
  mostPictures: number,
  { logger, signal }: RunContext,
): Promise<{ contents: ContentsSection; pictures: Tensor[] }> {
  const { length, samplesPerRun = 1 } = dataset;
  const looked = Math.min(length, samples);
  const seen = namedValues<Seen>();
  const classes = new Map<number, number>();
  const pictures: Tensor[] = [];
  for (let at = 0; at < looked; at++) {
    signal.throwIfAborted();
    const index = Math.floor((at * length) / looked);
    const batch = await dataset.read(
      Array.from({ length: samplesPerRun }, (_, next) => (index + next) % length),
    );
    for (const [name, tensor] of Object.entries(batch.inputs)) addTensor(seen, name, tensor);
    const label = batch.labels?.[0];
    if (label !== undefined) classes.set(label, (classes.get(label) ?? 0) + 1);
    const picture = Object.values(batch.inputs).find(isPicture);
    if (picture !== undefined && pictures.length < mostPictures) pictures.push(picture);
    logger.progress("looking", at + 1, looked);
  }
  const { classNames } = dataset.describe() as { classNames?: readonly string[] };
  const contents: ContentsSection = {
    samples: length,
    looked,
    inputs: Object.entries(seen).map(([name, { dtype, shapes, min, max, sum, count }]) => ({
      name,
      type: dtype,
      shapes: [...shapes].slice(0, mostShapes),
      ...(count === 0 ? {} : { min, max, mean: sum / count }),
    })),
    classes: [...classes]
      .sort(([a], [b]) => a - b)
      .map(([label, count]) => {
        const name = classNames?.[label];
        return { label, ...(name === undefined ? {} : { name }), samples: count };
      }),
  };
  return { contents, pictures };
}

function addTensor(seen: Record<string, Seen>, name: string, tensor: Tensor): void {
  const known = (seen[name] ??= {
    dtype: tensor.dtype,
    shapes: new Set(),
    min: Infinity,
    max: -Infinity,
    sum: 0,
    count: 0,
  });
  known.shapes.add(`[${tensor.dims.join(", ")}]`);
  for (const value of readNumbers(tensor) ?? []) {
    known.min = Math.min(known.min, value);
    known.max = Math.max(known.max, value);
    known.sum += value;
    known.count++;
  }
}

async function writeSheet(path: string, pictures: readonly Tensor[], where: string): Promise<void> {
  if (pictures.length === 0)
    throw dataError(
      "sheet",
      "The samples are no pictures: they have not four dimensions with 1 or 3 channels",
      where,
      "Leave --sheet out.",
    );
  const png = await contactSheet(pictures);
  await makeFolder(dirname(path));
  await writeFileAtomically(path, async (handle) => handle.writeFile(png));
}
