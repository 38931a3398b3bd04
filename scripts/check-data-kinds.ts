/** Takes every kind of data through `efqat quantize` and `efqat optimize`, and prints what came of it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { optimize, quantize } from "../src/index.ts";
import { kinds, optionsOf, writeDataKinds, writeKindModels } from "../test/support/data-kinds.ts";

const folder = await mkdtemp(join(tmpdir(), "efqat-check-kinds-"));
try {
  await writeDataKinds(folder);
  await writeKindModels(folder);
  for (const kind of kinds) {
    const [name] = kind;
    const common = optionsOf(kind, folder);
    const quantized = await quantize(common);
    const { training, scores, data } = await optimize({ ...common, epochs: 1, batch: 8, val: 8 });
    const shown = data?.["training"] ?? {};
    const { agreement } = scores?.at(-1) ?? {};
    console.log(
      `${name.padEnd(46)} ${quantized.scores?.[0]?.samples} samples (${String(shown["format"])}), ${training?.steps} steps, agreement ${agreement?.toFixed(2)}`,
    );
  }
} finally {
  await rm(folder, { recursive: true });
}
