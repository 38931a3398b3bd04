import { basename, extname } from "node:path";
import { decodeImages } from "../decode-images.ts";
import type { ImageSource } from "../image.ts";
import { readAskedLabels } from "../labels-file.ts";
import type { DataSpec } from "../spec.ts";
import type { ClassFiles } from "./class-folders.ts";

const extensions = new Set([".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif"]);
/** Whether a file of this name counts as an image of a folder. */
export const isImageName = (name: string): boolean => extensions.has(extname(name).toLowerCase());

/** Images in folders of classes, or without labels in one folder. */
export async function openImageFolder(found: ClassFiles, spec: DataSpec): Promise<ImageSource> {
  const { folder, files, classNames } = found;
  const labels = spec.labels === undefined ? found.labels : await readAskedLabels(spec, files.length);
  return {
    name: basename(folder),
    length: files.length,
    channels: undefined,
    labels,
    where: (index) => files[index] as string,
    describe: () => ({
      format: "image folder",
      path: folder,
      ...(classNames === undefined ? {} : { classNames }),
    }),
    read: (indices, channels) =>
      decodeImages(
        indices.map((index) => ({ content: files[index] as string, where: files[index] as string })),
        channels,
      ),
  };
}
