import { dataError } from "../errors.ts";
import { arrayDataset, type Feed, holdsImages } from "./array-dataset.ts";
import { arrayImages } from "./array-images.ts";
import type { Dataset } from "./dataset.ts";
import { imageDataset } from "./image-dataset.ts";
import { imageInputOf } from "./model-input.ts";
import type { DataSpec } from "./spec.ts";

/** Arrays as samples: 8-bit images are preprocessed, others are fed as they are. */
export async function openArrays(
  feeds: Feed[],
  labels: Int32Array | undefined,
  spec: DataSpec,
): Promise<Dataset> {
  const [feed] = feeds;
  const name = spec.path.split(/[\\/]/).at(-1) as string;
  if (feed !== undefined && holdsImages(feeds)) {
    const source = arrayImages(name, feed.array, labels, spec.path);
    return imageDataset(source, spec, imageInputOf([feed.input], spec.layout, spec.path));
  }
  if (spec.resize !== undefined || spec.crop !== undefined) {
    throw dataError(
      "resize",
      "--resize and --crop apply to images and to 8-bit image arrays",
      spec.path,
      "Save the array in the model's input shape.",
    );
  }
  return arrayDataset(name, feeds, labels, spec);
}
