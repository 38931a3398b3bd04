import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fileBytes, openBytes } from "../../src/data/byte-source.ts";
import { readWhole } from "../../src/data/loaders/npy.ts";
import { openNpz } from "../../src/data/loaders/npz.ts";
import type { ModelInput } from "../../src/data/model-input.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import { openWav } from "../../src/data/sounds/wav.ts";
import type { DataSpec } from "../../src/data/spec.ts";
import { tensorOfBytes, toNumbers } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";
import { type WavContent, wavOf } from "../support/write-wav.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
const put = async (name: string, samples: number[], content: WavContent = {}): Promise<string> => {
  await mkdir(dirname(at(name)), { recursive: true });
  await writeFile(at(name), wavOf(samples, content));
  return at(name);
};
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-sounds-"));
});
afterAll(() => rm(folder, { recursive: true }));

const input = (...shape: (string | number)[]): ModelInput[] => [{ name: "wave", dtype: "float32", shape }];
const read = async (
  spec: DataSpec,
  inputs: ModelInput[],
  index = 0,
): Promise<[readonly number[], number[]]> => {
  const tensor = (await (await openDataset(spec, inputs)).read([index])).inputs["wave"];
  return [tensor?.dims ?? [], toNumbers(tensor as never)];
};

describe("WAV files", () => {
  test.each(["uint8", "int16", "int24", "int32", "float32", "float64", "extensible"])(
    "of %s samples hold what libsndfile reads",
    async (name) => {
      const sound = await openWav(await openBytes(`fixtures/data-kinds/sounds/${name}.wav`));
      expect(sound).toMatchObject({ channels: 2, sampleRate: 8000, frames: 100 });
      const array = await (await openNpz("fixtures/data-kinds/sounds.npz")).open(name);
      const wanted = toNumbers(tensorOfBytes(array.dtype, array.dims, await readWhole(array)));
      expect((await sound.read(100)).flatMap((channel) => [...channel])).toEqual(wanted);
    },
  );

  test("with chunks of odd sizes before the samples, and sizes that streams leave open", async () => {
    const odd = await put("odd.wav", [1, 2], { chunk: new Uint8Array(5) });
    expect(await read({ path: odd }, input("n", 2))).toEqual([
      [1, 2],
      [1 / 32768, 2 / 32768],
    ]);
    const streamed = await put("streamed.wav", [1, 2, 3], { declared: 0xffffffff });
    expect((await openWav(await openBytes(streamed))).frames).toBe(3);
  });

  test.each<[what: string, content: WavContent, says: RegExp]>([
    [
      "samples beyond the file",
      { declared: 4_000_000_000 },
      /declares 4000000000 bytes of samples and holds 4/,
    ],
    ["no channels", { channels: 0, frameBytes: 0 }, /contradicts itself/],
    ["frames of another size", { channels: 65535, frameBytes: 1 }, /contradicts itself/],
    ["no rate", { sampleRate: 0 }, /contradicts itself/],
    ["a compressed format", { tag: 0x11 }, /IMA ADPCM.*ffmpeg/s],
  ])("that declare %s are refused", async (_, content, says) => {
    const path = await put("bad.wav", [1, 2], content);
    expect((await catchUserError(() => openDataset({ path }, input("n", "t")))).toParagraph()).toMatch(says);
  });

  test("that are cut off anywhere are refused, and never read past their end", async () => {
    const whole = wavOf([1, 2, 3], { chunk: new Uint8Array(3) });
    for (let size = 12; size < whole.length; size++) {
      await writeFile(at("cut.wav"), whole.subarray(0, size));
      const error = await catchUserError(() => openWav(fileBytes(at("cut.wav"), 0, size)));
      expect(error.code).toBe("data/wav");
    }
  });
});

describe("sounds of a folder", () => {
  const spec = (name: string, rest: Partial<DataSpec> = {}): DataSpec => ({ path: at(name), ...rest });
  beforeAll(async () => {
    await put("words/no/a.wav", [100, 200, 300, 400]);
    await put("words/yes/b.wav", [-100, -200, -300, -400]);
    await put("lengths/a.wav", [1, 2, 3]);
    await put("lengths/b.wav", [1, 2]);
    await put("stereo/a.wav", [100, 300, -100, 100], { channels: 2 });
    await put("rates/a.wav", [1, 2], { sampleRate: 16000 });
    await put("rates/b.wav", [1, 2]);
  });

  test("are labelled by their folders, and stacked where they have one length", async () => {
    const dataset = await openDataset(spec("words"), input("batch", "time"));
    const batch = await dataset.read([0, 1]);
    expect(batch.inputs["wave"]?.dims).toEqual([2, 4]);
    expect(Array.from(batch.labels ?? [])).toEqual([0, 1]);
    expect(dataset.describe()).toMatchObject({ format: "WAV", sampleRate: 8000, classNames: ["no", "yes"] });
    expect(dataset.samplesPerRun).toBeUndefined();
  });

  test("of differing lengths are fed one at a time, or get one length", async () => {
    const open = await openDataset(spec("lengths"), input("batch", 1, "time"));
    expect(open.samplesPerRun).toBe(1);
    expect((await open.read([1])).inputs["wave"]?.dims).toEqual([1, 1, 2]);
    expect((await read(spec("lengths", { length: 3 }), input("batch", "time"), 1))[1]).toEqual([
      ...[1 / 32768, 2 / 32768, 0],
    ]);
    expect((await read(spec("lengths", { length: 1 }), input("batch", "time")))[1]).toEqual([1 / 32768]);
    const fixed = await catchUserError(() => openDataset(spec("lengths"), input("batch", 3)));
    expect(fixed.toParagraph()).toMatch(/has 2 samples.*b\.wav.*--length 3/s);
  });

  test("with two channels become one by their mean, or stay where the model takes two", async () => {
    const mono = [200 / 32768, 0];
    expect(await read(spec("stereo"), input("batch", "time"))).toEqual([[1, 2], mono]);
    expect(await read(spec("stereo"), input("batch", 1, "time"))).toEqual([[1, 1, 2], mono]);
    const both = [100, -100, 300, 100].map((value) => value / 32768);
    expect(await read(spec("stereo"), input("batch", 2, "time"))).toEqual([[1, 2, 2], both]);
    const last = [100, 300, -100, 100].map((value) => value / 32768);
    expect(await read(spec("stereo"), input("batch", "time", 2))).toEqual([[1, 2, 2], last]);
    expect(await read(spec("stereo"), input(2))).toEqual([[2], mono]);
    const refused = await catchUserError(() => openDataset(spec("words"), input("batch", 2, "time")));
    expect(refused.toParagraph()).toMatch(/1 channel\(s\) where input "wave" takes 2.*ffmpeg/s);
    const spectra = await catchUserError(() => openDataset(spec("words"), input("batch", 80, 3000)));
    expect(spectra.toParagraph()).toMatch(/takes 80 values.*numpy\.save/s);
  });

  test("have one rate: that of --sample-rate, --set sr or the first", async () => {
    const refusal = async (rest: Partial<DataSpec>, inputs = input("n", "t")): Promise<string> =>
      (await catchUserError(() => openDataset(spec("rates", rest), inputs))).toParagraph();
    expect(await refusal({})).toMatch(/8000 samples a second where .*a\.wav has 16000/s);
    expect(await refusal({ sampleRate: 16000 })).toMatch(/the model takes 16000.*b\.wav.*-ar 16000/s);
    const silero: ModelInput[] = [...input("n", "t"), { name: "sr", dtype: "int64", shape: [] }];
    expect(await refusal({ set: { sr: [8000] } }, silero)).toMatch(/the model takes 8000.*a\.wav/s);
    await writeFile(
      at("wav2vec.json"),
      JSON.stringify({ feature_extractor_type: "Wav2Vec2FeatureExtractor", sampling_rate: 48000 }),
    );
    expect(await refusal({ preprocess: at("wav2vec.json") })).toMatch(/the model takes 48000/);
  });

  test("are normalized where the model's feature extractor does it", async () => {
    await writeFile(
      at("normal.json"),
      JSON.stringify({
        feature_extractor_type: "Wav2Vec2FeatureExtractor",
        sampling_rate: 8000,
        do_normalize: true,
      }),
    );
    const [, values] = await read(
      spec("words", { preprocess: at("normal.json"), length: 5 }),
      input("n", "t"),
    );
    // transformers.Wav2Vec2FeatureExtractor(do_normalize=True)(numpy.array([1, 2, 3, 4]) * 100 / 32768)
    expect(values.map((value) => Number(value.toFixed(4)))).toEqual([-1.3359, -0.4453, 0.4453, 1.3359, 0]);
  });

  test("go to models of waveforms alone", async () => {
    const refused = await catchUserError(() => openDataset(spec("words"), input("n", 1, 8, 8)));
    expect(refused.toParagraph()).toMatch(/waveforms.*numpy\.save/s);
    await put("mixed/a.wav", [1]);
    await writeFile(at("mixed/a.png"), "");
    const mixed = await catchUserError(() => openDataset(spec("mixed"), input("n", "t")));
    expect(mixed.message).toMatch(/pictures and sounds/);
  });
});
