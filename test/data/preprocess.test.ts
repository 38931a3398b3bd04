import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openNpz } from "../../src/data/loaders/npz.ts";
import { readWhole } from "../../src/data/loaders/npy.ts";
import type { ModelInput } from "../../src/data/model-input.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import { settleSpec } from "../../src/data/preprocess/settle-spec.ts";
import { toNumbers, tensorOfBytes } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";
import { float32Npy } from "../support/zip-files.ts";

/** Files and values of the libraries themselves: scripts/fixtures/preprocess.py. */
const fixtures = "fixtures/preprocess";
let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-preprocess-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Largest and mean difference of pixel values from the oracle's, in steps of 1/255 before the deviation divides them. */
async function compare(name: string): Promise<{ largest: number; mean: number }> {
  const file = await openNpz(join(fixtures, "expected.npz"));
  const { std = [1], pixels } = await settleSpec({ path: "", preprocess: join(fixtures, `${name}.json`) });
  const found = { largest: 0, sum: 0, count: 0 };
  for (const index of [0, 1]) {
    const array = await file.open(`${name}-${index}`);
    const wanted = toNumbers(tensorOfBytes(array.dtype, array.dims, await readWhole(array)));
    const [, height, width] = array.dims;
    const input: ModelInput = { name: "x", dtype: "float32", shape: ["n", 3, height, width] };
    await writeFile(at("one.csv"), `path\n${index}.png\n`);
    const spec = { path: at("one.csv"), images: fixtures, preprocess: join(fixtures, `${name}.json`) };
    const { inputs } = await (await openDataset(spec, [input])).read([0]);
    const got = toNumbers(inputs["x"] as never);
    expect(got.length).toBe(wanted.length);
    const size = got.length / 3;
    got.forEach((value, element) => {
      const channel = Math.floor(element / size);
      const step =
        (pixels?.scale ?? 1) / (std[pixels?.order === "bgr" ? 2 - channel : channel] ?? std[0] ?? 1);
      const difference = Math.abs(value - (wanted[element] as number)) / step;
      found.largest = Math.max(found.largest, difference);
      found.sum += difference;
      found.count++;
    });
  }
  return { largest: found.largest, mean: found.sum / found.count };
}

describe("pictures become what the libraries make of them", () => {
  test.each([
    ...["vit", "vit-old", "clip", "clip-old", "convnext", "detr", "mobilevit", "levit", "poolformer"],
    ...["siglip", "efficientnet", "mobilenet-pad", "timm-resnet", "timm-squash"],
  ])("%s", async (name) => {
    const { largest, mean } = await compare(name);
    // libvips places its filters to 1/64 of a pixel, which shows at edges; a crop one pixel off has a mean of 12.
    expect(largest).toBeLessThan(7);
    expect(mean).toBeLessThan(0.3);
  });
});

describe("what a file of preprocessing says", () => {
  const settle = async (file: object, spec: object = {}): Promise<object> => {
    await writeFile(at("file.json"), JSON.stringify(file));
    const {
      path: _,
      preprocess: __,
      ...settled
    } = await settleSpec({
      path: "x",
      preprocess: at("file.json"),
      ...spec,
    });
    return settled;
  };
  const refusal = async (file: object): Promise<string> =>
    (await catchUserError(() => settle(file))).toParagraph();

  test("of sounds: the rate and whether they are normalized", async () => {
    const wav2vec = {
      do_normalize: true,
      feature_extractor_type: "Wav2Vec2FeatureExtractor",
      feature_size: 1,
      padding_side: "right",
      padding_value: 0,
      return_attention_mask: false,
      sampling_rate: 16000,
    };
    expect(await settle(wav2vec)).toEqual({ sound: { sampleRate: 16000, normalize: true } });
    const whisper = {
      feature_extractor_type: "WhisperFeatureExtractor",
      feature_size: 80,
      sampling_rate: 16000,
    };
    expect(await refusal(whisper)).toMatch(/features of sounds \(WhisperFeatureExtractor\).*numpy\.save/s);
    expect(await settle({ processor_class: "P", feature_extractor: wav2vec })).toHaveProperty("sound");
  });

  test("options of one's own override it", async () => {
    const clip = { size: { shortest_edge: 224 }, crop_size: 224, image_mean: [0.5], image_std: [0.5] };
    expect(await settle(clip, { resize: 300, mean: [0.1] })).toMatchObject({
      resize: 300,
      crop: [224, 224],
      mean: [0.1],
      std: [0.5],
    });
    const detr = {
      image_processor_type: "DetrImageProcessor",
      size: { shortest_edge: 800, longest_edge: 1333 },
    };
    expect(await settle(detr)).toMatchObject({ resize: 800, pixels: { longest: 1333 } });
    expect(await settle(detr, { resize: 640 })).not.toHaveProperty("pixels.longest");
  });

  test("of sizes above 384 ConvNext takes whole sides; rescale and offset are kept", async () => {
    const convnext = {
      image_processor_type: "ConvNextImageProcessor",
      crop_pct: 0.95,
      size: { shortest_edge: 384 },
    };
    expect(await settle(convnext)).toMatchObject({ resize: [384, 384] });
    expect(await settle(convnext)).not.toHaveProperty("crop");
    const vivit = { size: 8, rescale_factor: 1 / 127.5, offset: true, do_normalize: false };
    expect(await settle(vivit)).toMatchObject({
      pixels: { scale: 1 / 127.5, offset: -1 },
      mean: [0],
      std: [1],
    });
  });

  test.each<[what: string, file: object, says: RegExp]>([
    ["a palette", { size: 32, do_color_quantize: true, clusters: [[0, 0, 0]] }, /colours from a palette/],
    ["patches", { image_mean: [0.5], temporal_patch_size: 2, merge_size: 2 }, /lists of patches/],
    [
      "a crop before the resize",
      { image_processor_type: "PerceiverImageProcessor", size: 224 },
      /crop before/,
    ],
    ["a filter", { size: 32, resample: 5 }, /resampling filter 5/],
    ["a size of text", { size: "large" }, /"size" is "large"/],
    ["a size beyond all pictures", { size: 1e9 }, /"size" is 1000000000/],
    ["a mean of text", { size: 32, image_mean: "half" }, /"image_mean" is "half"/],
    ["a deviation of zero", { size: 32, image_mean: [0], image_std: [0] }, /"image_std".*above 0/],
    ["a tokenizer's file", { tokenizer_class: "BertTokenizer" }, /nothing of pictures or sounds/],
    ["a border", { input_size: [3, 8, 8], crop_pct: 1, crop_mode: "border" }, /crop mode "border"/],
    ["a crop of no share", { input_size: [3, 8, 8], crop_pct: 0 }, /"crop_pct".*above 0/],
  ])("is refused where it asks for %s", async (_, file, says) => {
    expect(await refusal(file)).toMatch(says);
  });

  test("is refused where it is no JSON, or for other data", async () => {
    await writeFile(at("file.json"), "[1]");
    const settled = (): Promise<unknown> => settleSpec({ path: "x", preprocess: at("file.json") });
    expect((await catchUserError(settled)).message).toMatch(/no JSON object/);
    await writeFile(at("x.npy"), float32Npy([1, 2], new Float32Array(2)));
    await writeFile(at("vit.json"), JSON.stringify({ size: 32 }));
    const opened = (): Promise<unknown> =>
      openDataset({ path: at("x.npy"), preprocess: at("vit.json") }, [
        { name: "x", dtype: "float32", shape: ["n", 2] },
      ]);
    expect((await catchUserError(opened)).message).toMatch(/--preprocess applies to images/);
  });
});
