import { relative, resolve } from "node:path";
import { Document, YAMLSeq } from "yaml";
import { formatBytes } from "../../report/format.ts";
import { recipes } from "../../recipes/table.ts";
import { familyNames } from "../../recipes/recipe.ts";
import type { Look } from "../look/look.ts";
import { Looks } from "../look/look-cache.ts";
import { findModels } from "./find-models.ts";

/** A model that was found, and what was seen of it. */
export interface FoundModel {
  path: string;
  name: string;
  data: string | undefined;
  look: Look;
}

/** Looks at every model of a folder, each in a process of its own, so many at a time. */
export async function inspectFolder(
  folder: string,
  {
    cache,
    atOnce,
    signal,
    onModel,
  }: {
    /** Folder where what was seen is kept. */
    cache: string;
    atOnce: number;
    signal: AbortSignal;
    onModel: (done: number, total: number) => void;
  },
): Promise<FoundModel[]> {
  const entries = await findModels(folder);
  const looks = new Looks(cache, signal);
  const found: FoundModel[] = [];
  const rest = entries.entries();
  const work = async (): Promise<void> => {
    for (const [index, { path, name = path, data }] of rest) {
      found[index] = { path, name, data, look: await looks.at(path, "auto") };
      onModel(found.filter(Boolean).length, entries.length);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return found;
}

/** The file zoo.yaml for models that were found; comments tell what was seen. `folder`: where the file will lie. */
export function renderManifest(models: readonly FoundModel[], folder: string): string {
  const from = (path: string): string => relative(resolve(folder), path) || ".";
  const document = new Document({
    version: 1,
    out: "zoo-results",
    defaults: { command: "quantize", targets: ["auto"], options: { samples: 512 } },
    models: models.map(({ path, name, data, look }) => ({
      path: from(path),
      name,
      ...(data === undefined ? {} : { data: from(data) }),
      ...(look.ok ? { recipe: look.recipe.name } : {}),
    })),
  });
  const list = document.get("models");
  if (list instanceof YAMLSeq)
    for (const [index, item] of list.items.entries()) {
      const model = models[index];
      if (model !== undefined) (item as { commentBefore?: string }).commentBefore = commentOn(model);
    }
  return document.toString({ lineWidth: 110 });
}

function commentOn({ look, data }: FoundModel): string {
  const missing = data === undefined ? " No data were found beside it: name them as data." : "";
  if (!look.ok) return oneLine(` cannot be used: [${look.cause.code}] ${look.cause.what}.${missing}`);
  const family = familyNames.find((name) => name === look.recipe.name) ?? "other";
  const { loss, metric } = recipes[family];
  const facts = `${formatBytes(look.bytes)}, about ${formatBytes(look.memoryBytes)} of memory`;
  return oneLine(` ${look.recipe.because}; loss ${loss}, judged by ${metric}; ${facts}.${missing}`);
}

const oneLine = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]+/gu, " ").slice(0, 400);
