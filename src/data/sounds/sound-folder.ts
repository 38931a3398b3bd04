import { openBytes } from "../byte-source.ts";
import type { Dataset } from "../dataset.ts";
import { readAskedLabels } from "../labels-file.ts";
import type { ClassFiles } from "../loaders/class-folders.ts";
import type { ModelInput } from "../model-input.ts";
import type { SettledSpec } from "../spec.ts";
import { soundDataset } from "./sound-dataset.ts";
import { openWav, type Sound } from "./wav.ts";

/** WAV files in folders of classes, or without labels in one folder; or a single one. */
export async function openSoundFiles(
  { folder, files, labels, classNames }: ClassFiles,
  inputs: readonly ModelInput[],
  spec: SettledSpec,
): Promise<Dataset> {
  const sounds: Sound[] = [];
  for (const path of files) sounds.push(await openWav(await openBytes(path)));
  return soundDataset(
    sounds,
    {
      labels: spec.labels === undefined ? labels : await readAskedLabels(spec, files.length),
      describe: {
        format: "WAV",
        path: folder,
        ...(classNames === undefined ? {} : { classNames }),
      },
    },
    inputs,
    spec,
  );
}
