import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { saveModel } from "../../../src/onnx/index.ts";
import { type Report, reportSchema } from "../../../src/report/report-data.ts";
import { crc32c } from "../../../src/workflows/tensorboard/masked-crc.ts";
import { runCli } from "../../cli/terminal.ts";
import { requirePython } from "../../support/python.ts";
import { tinyData, tinyModel } from "../../training/tiny-network.ts";

let folder: string;
let report: Report;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-events-"));
  await saveModel(tinyModel(), at("tiny.onnx"));
  const outcome = await runCli([
    ...[
      "optimize",
      at("tiny.onnx"),
      "--data",
      tinyData.path,
      "--samples",
      "32",
      "--threads",
      "1",
      "--data-timeout",
      "120",
    ],
    ...["--out", at("tiny.int8.onnx"), "--tensorboard", at("events"), "--json", at("report.json")],
  ]);
  expect(outcome.stderr).not.toContain("Error");
  report = reportSchema.parse(JSON.parse(await readFile(at("report.json"), "utf8")));
}, 400_000);
afterAll(() => rm(folder, { recursive: true }));

test("checksums are CRC-32C", () => {
  // RFC 3720, B.4.
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
});

test("a run leaves one file whose records are whole", async () => {
  const files = await readdir(at("events"));
  expect(files).toEqual([expect.stringMatching(/^events\.out\.tfevents\.\d+\.efqat\.\d+$/)]);
  const bytes = await readFile(join(at("events"), files[0] as string));
  let records = 0;
  for (let place = 0; place < bytes.length; records++) place += Number(bytes.readBigUInt64LE(place)) + 16;
  expect(records).toBeGreaterThan(report.training?.steps ?? Infinity);
});

test("TensorBoard reads the scalars", async (context) => {
  const python = await requirePython(context, ["tensorboard"]);
  const script = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0}).Reload()
print(json.dumps({tag: [[s.step, s.value] for s in events.Scalars(tag)] for tag in events.Tags()["scalars"]}))
`;
  const { stdout } = await execa(python, ["-c", script, at("events")]);
  const scalars = JSON.parse(stdout) as Record<string, [step: number, value: number][]>;
  const { history = [], validation = [], batch = 1 } = report.training ?? {};
  expect(scalars["train/loss"]).toEqual(
    history.map(({ samples, loss }) => [samples / batch, expect.closeTo(loss, 5) as number]),
  );
  expect(scalars["held out/loss"]).toEqual(
    validation.map(({ samples, loss }) => [samples / batch, expect.closeTo(loss, 5) as number]),
  );
  expect(Object.keys(scalars)).toEqual(
    expect.arrayContaining(["learning rate/weights", "trained rows/point.weight"]),
  );
}, 600_000);
