import { existsSync, readFileSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reportSchema } from "../../src/report/report-data.ts";
import { runCli } from "../cli/terminal.ts";

/**
 * Trained and exported models, NAME.onnx beside NAME.npz, in the folder that EFQAT_REAL_MODELS names: what
 * scripts/real-models/export_encoders.py writes, or anything of that form.
 */
const folder = process.env["EFQAT_REAL_MODELS"] ?? "";
const names = existsSync(folder)
  ? readdirSync(folder)
      .filter((name) => name.endsWith(".onnx") && existsSync(join(folder, name.replace(/onnx$/, "npz"))))
      .map((name) => name.slice(0, -".onnx".length))
  : [];

describe.skipIf(names.length === 0)(
  "real models go through quantize (needs EFQAT_REAL_MODELS, a folder of models)",
  () => {
    let out: string;
    beforeAll(async () => {
      out = await mkdtemp(join(tmpdir(), "efqat-real-"));
    });
    afterAll(() => rm(out, { recursive: true }));

    test.each(names)("%s", { timeout: 600_000 }, async (name) => {
      const json = join(out, `${name}.json`);
      const { exitCode, stderr } = await runCli([
        ...[
          "quantize",
          join(folder, `${name}.onnx`),
          "--data",
          join(folder, `${name}.npz`),
          "--labels",
          "none",
        ],
        ...["--samples", "48", "--out", join(out, `${name}.onnx`), "--json", json],
      ]);
      expect(stderr).not.toContain("Error");
      expect(exitCode).toBe(0);
      const { scores, quantization, output } = reportSchema.parse(JSON.parse(readFileSync(json, "utf8")));
      expect(output?.bytes).toBeGreaterThan(0);
      if ((quantization?.weights ?? 0) > 0) expect(scores?.[1]?.sqnr).toBeGreaterThan(10);
    });
  },
);
