import { join } from "node:path";
import type { CommandPaths, ReadPath, WrittenFolder } from "../claims/paths.ts";
import { dataPaths } from "../data/data-paths.ts";
import type { DataSpec } from "../data/spec.ts";
import { externalFilesOf, removeUnusedData } from "../onnx/index.ts";
import { splitSource } from "../importers/import-model.ts";
import type { Model } from "../ir/model.ts";
import { artifactFileNames, artifactFiles } from "../training/artifact/manifest.ts";
import { runFiles } from "../training/trainer/run-checkpoint.ts";
import { isLossFile } from "../training/losses/loss-request.ts";
import type { MetricRequest } from "./metrics.ts";
import type {
  AskedTraining,
  AuditOptions,
  BuildArtifactOptions,
  CalibrateOptions,
  EncodingsOptions,
  EvaluateOptions,
  ExportOptions,
  ImportOptions,
  InspectOptions,
  LookOptions,
  MergeOptions,
  OptimizeOptions,
  ProfileOptions,
  QuantizationChoices,
  QuantizeOptions,
  TrainOptions,
} from "./options.ts";
import { runFolderFiles } from "./run-folder.ts";
import { readRunMetrics } from "./run-metrics.ts";

/**
 * What every command reads and writes. External data of models are added when these have been read: `dataOfModels`.
 */
export const commandPaths = {
  inspect: async ({ model }: InspectOptions): Promise<CommandPaths> => onlyReads([modelRead(model)]),

  data: async ({ data, model, sheet }: LookOptions): Promise<CommandPaths> => ({
    reads: [...(model === undefined ? [] : [modelRead(model)]), ...(await dataReads(data))],
    files: sheet === undefined ? [] : [{ option: "--sheet", path: sheet }],
    folders: [],
  }),

  import: async ({ source, out }: ImportOptions): Promise<CommandPaths> => ({
    reads: [{ name: "the module", path: splitSource(source).module }],
    files: [outFile(out)],
    folders: [],
  }),

  evaluate: async ({ model, data, reference, metric }: EvaluateOptions): Promise<CommandPaths> =>
    onlyReads([
      modelRead(model),
      ...(reference === undefined ? [] : [{ name: "the reference model", path: reference }]),
      ...(await dataReads(data)),
      ...metricReads(metric),
    ]),

  audit: async ({ model, data, reference }: AuditOptions): Promise<CommandPaths> =>
    onlyReads([
      modelRead(model),
      ...(reference === undefined ? [] : [{ name: "the reference model", path: reference }]),
      ...(data === undefined ? [] : await dataReads(data)),
    ]),

  profile: async ({ model, data, training, quantization }: ProfileOptions): Promise<CommandPaths> => ({
    ...onlyReads([
      modelRead(model),
      ...(await dataReads(data)),
      ...statisticsRead(quantization),
      ...lossRead(training),
    ]),
    folders: cacheFolder(training),
  }),

  calibrate: async ({ model, data, out }: CalibrateOptions): Promise<CommandPaths> => ({
    reads: [modelRead(model), ...(await dataReads(data))],
    files: [outFile(out)],
    folders: [],
  }),

  encodings: async ({ model, out }: EncodingsOptions): Promise<CommandPaths> => ({
    reads: [modelRead(model)],
    files: [{ option: "--out", path: out }],
    folders: [],
  }),

  merge: async ({ files, out }: MergeOptions): Promise<CommandPaths> => ({
    reads: files.map((path) => ({ name: "the statistics", path })),
    files: [outFile(out)],
    folders: [],
  }),

  quantize: async ({
    model,
    data,
    test,
    testTargets,
    out,
    quantization,
    metric,
  }: QuantizeOptions): Promise<CommandPaths> => ({
    reads: [
      modelRead(model),
      ...(await dataReads(data, test)),
      ...testTargetsRead(testTargets),
      ...statisticsRead(quantization),
      ...metricReads(metric),
    ],
    files: [outFile(out)],
    folders: [],
  }),

  artifact: async (options: BuildArtifactOptions): Promise<CommandPaths> => {
    const { model, data, out, training, quantization } = options;
    return {
      reads: [
        modelRead(model),
        ...(await dataReads(data)),
        ...statisticsRead(quantization),
        ...lossRead(training),
      ],
      files: [],
      folders: [artifactFolder("--out", out), ...cacheFolder(training)],
    };
  },

  train: async ({ artifact, data, training, metric, tensorboard }: TrainOptions): Promise<CommandPaths> => ({
    reads: [...artifactReads(artifact), ...(await dataReads(data)), ...metricReads(metric)],
    files: [],
    folders: [
      { option: "the artifact", path: artifact, files: checkpointNames, guarded: true },
      ...cacheFolder(training),
      ...eventFolder({ tensorboard }),
    ],
  }),

  export: async ({ artifact, data, out, metric }: ExportOptions): Promise<CommandPaths> => ({
    reads: [
      ...artifactReads(artifact),
      ...checkpointNames.map((name) => ({ name: "the trained state", path: join(artifact, name) })),
      ...(await dataReads(data)),
      ...metricReads(metric ?? (await readRunMetrics(artifact))),
    ],
    files: [outFile(out)],
    folders: [],
  }),

  /** `directory`: of its artifact. */
  optimize: async (options: OptimizeOptions, directory: string): Promise<CommandPaths> => {
    const { model, data, test, testTargets, out, artifact, training, resume, quantization } = options;
    return {
      reads: [
        modelRead(model),
        ...(await dataReads(data, test)),
        ...testTargetsRead(testTargets),
        ...statisticsRead(quantization),
        ...lossRead(training),
        ...metricReads(options.metric),
      ],
      files: [outFile(out)],
      folders: [
        artifact === undefined
          ? { option: "the folder of the run", path: directory, files: runFolderFiles, guarded: true }
          : { ...artifactFolder("--artifact", directory), guarded: resume },
        ...cacheFolder(training),
        ...eventFolder(options),
      ],
    };
  },
};

/** What is read along with models: the files that their external data lie in. */
export const dataOfModels = (...models: readonly Model[]): ReadPath[] =>
  models.flatMap((model) =>
    Array.from(externalFilesOf(model), (path) => ({ name: "the input model's external data", path })),
  );

const onlyReads = (reads: readonly ReadPath[]): CommandPaths => ({ reads, files: [], folders: [] });

const modelRead = (path: string): ReadPath => ({ name: "the input model", path });

const statisticsRead = ({ statistics, encodings }: QuantizationChoices): ReadPath[] => [
  ...(statistics === undefined ? [] : [{ name: "the statistics", path: statistics }]),
  ...(encodings === undefined ? [] : [{ name: "the encodings", path: encodings }]),
];

const lossRead = ({ loss }: Pick<AskedTraining, "loss">): ReadPath[] =>
  isLossFile(loss) ? [{ name: "the loss", path: loss.file }] : [];

const metricReads = (request: MetricRequest | undefined): ReadPath[] => [
  ...(request?.asked ?? []).flatMap(({ file }) =>
    file === undefined ? [] : [{ name: "the metric", path: file }],
  ),
  ...(request?.characters === undefined ? [] : [{ name: "the characters", path: request.characters }]),
];

const testTargetsRead = (path: string | undefined): ReadPath[] =>
  path === undefined ? [] : [{ name: "the test targets", path }];

async function dataReads(data: DataSpec | undefined, test?: DataSpec): Promise<ReadPath[]> {
  const own = (data === undefined ? [] : await dataPaths(data)).map(({ use, ...read }) => ({
    name: `the ${use}`,
    ...read,
  }));
  const others = test === undefined ? [] : await dataPaths(test);
  return [...own, ...others.map(({ use, ...read }) => ({ name: `the test ${use}`, ...read }))];
}

const artifactReads = (artifact: string): ReadPath[] =>
  artifactFileNames.map((name) => ({ name: `the artifact's ${name}`, path: join(artifact, name) }));

const outFile = (path: string) => ({ option: "--out", path, sweep: removeUnusedData });

const checkpointNames = Object.values(runFiles).map((name) => `run/${name}`);

const artifactFolder = (option: string, path: string): WrittenFolder => ({
  option,
  path,
  files: [...artifactFileNames, ...checkpointNames],
  mark: artifactFiles.manifest,
});

/** Files in the cache are of no command in particular, each written whole. */
const cacheFolder = ({ cache }: { cache?: string | undefined }): WrittenFolder[] =>
  cache === undefined ? [] : [{ option: "--cache", path: cache, files: [], shared: true, guarded: true }];

/** Event files have names of their own; those of several runs lie side by side. */
const eventFolder = ({ tensorboard: path }: { tensorboard?: string | undefined }): WrittenFolder[] =>
  path === undefined ? [] : [{ option: "--tensorboard", path, files: [], shared: true, guarded: true }];
