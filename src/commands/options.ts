import {
  calibrationMethods,
  importanceNames,
  lossTermNames,
  metricNames,
  modeNames,
  recipeNames,
  listTargets,
} from "../workflows/index.ts";

/** An option of the command line as it is declared to the parser; values stay text and are read by name. */
export interface OptionSpec {
  describe: string;
  group: string;
  /** Shown in the help and used when the option is not given. */
  default?: string;
  choices?: readonly string[];
  /** A switch without a value. */
  flag?: true;
  /** Must be given; with `unless`, where that option is not. */
  required?: true | { unless: string };
  /** Another name that stands for the option. */
  alias?: string;
  /** What the value is where it is more than text: in configuration files and the library it may be given as such. */
  value?: "number" | "bytes" | "size" | "numbers" | "words" | "by-input" | "path" | "measure";
}

const targetNames = listTargets().map(({ name }) => name);

const groups = {
  data: "Data:",
  quantization: "Quantization:",
  training: "Training:",
  run: "Run:",
  output: "Output:",
} as const;

/** Options under one heading of the help; their literal types are kept for those of requests. */
const group = <const Name extends string, const T extends Record<string, Omit<OptionSpec, "group">>>(
  name: Name,
  specs: T,
): { [Key in keyof T]: T[Key] & { group: Name } } =>
  Object.fromEntries(Object.entries(specs).map(([key, spec]) => [key, { ...spec, group: name }])) as {
    [Key in keyof T]: T[Key] & { group: Name };
  };

/** Options of the form NAME=VALUES, which may be given for several inputs. */
export const inputOptions = group(groups.data, {
  "input-shape": {
    value: "by-input",
    describe: "Sizes of a model input that the model leaves open, NAME=1,3,224,224; -1 or a word stays open",
  },
  "batch-axis": {
    value: "by-input",
    describe: "The dimension of an input that counts samples, where its names do not tell: NAME=1",
  },
  set: { value: "by-input", describe: "Value of an input that the data do not feed: NAME=16000" },
  columns: {
    value: "by-input",
    describe:
      "Columns of a table that feed an input, NAME=COLUMN,COLUMN; NAME may also be label, image or text (default: by their names)",
  },
});

export const dataOptions = group(groups.data, {
  data: {
    value: "path",
    describe:
      "Samples: IDX, .npy, .npz, CSV, JSON lines, Parquet or WAV files, folders of these or of class folders, or a JavaScript module",
    required: true,
  },
  split: { describe: "Part of the data to use, where they come in parts", choices: ["train", "test"] },
  labels: { value: "path", describe: "File of labels (IDX or .npy), or none to ignore labels" },
  targets: {
    value: "path",
    describe:
      "Arrays that losses compare with, by name in an .npz file, one row per sample (default: those of an .npz file of data that feed no input)",
  },
  mean: {
    value: "numbers",
    describe: "Subtracted from each channel after scaling pixels to [0, 1]: one value or one per channel",
  },
  std: { value: "numbers", describe: "Each channel is divided by this: one value or one per channel" },
  resize: { value: "size", describe: "Resize images: the shorter side, or HEIGHTxWIDTH" },
  crop: { value: "size", describe: "Cut the centre out of the resized image: side, or HEIGHTxWIDTH" },
  layout: {
    describe:
      "Layout of the model's image input, where its shape does not tell; of float arrays, where it is not the model's",
    choices: ["nchw", "nhwc"],
  },
  "batch-axis": inputOptions["batch-axis"],
  set: inputOptions.set,
  columns: inputOptions.columns,
  tokenizer: {
    value: "path",
    describe: "tokenizer.json that makes tokens of texts (.txt with one per line, or a column of a table)",
  },
  preprocess: {
    value: "path",
    describe:
      "How pictures or sounds are preprocessed: preprocessor_config.json of a Transformers model, or config.json of a timm model; other options override it",
  },
  "sample-rate": {
    value: "number",
    describe: "Samples a second of the sounds that the model takes; others are refused",
  },
  length: {
    value: "number",
    describe: "Samples of each sound, or tokens of each text: longer ones are cut, shorter ones filled",
  },
  images: {
    value: "path",
    describe: "Folder that paths of pictures in a table start from and stay in (default: the table's)",
  },
  "data-timeout": {
    value: "number",
    describe: "Seconds after which a JavaScript module that gives nothing is ended (default: 15)",
  },
});

export const judgedOptions = group(groups.data, {
  output: {
    describe:
      "Output that results are judged by, and trained on where there is training (default: the first of floats)",
  },
});

/** How metrics are asked for. */
export const metricForms = `[OUTPUT=]NAME[@TARGET] (${metricNames.join(", ")}), an ONNX model or a JavaScript module, separated by commas; :lower behind a file where less is better`;

export const metricOptions = group(groups.data, {
  metric: {
    value: "measure",
    describe: `What is reported beside, and the first what the best state is kept by: ${metricForms}`,
  },
  characters: {
    value: "path",
    describe: "Text file with one character a line, for the classes behind the blank, to read text by",
  },
});

export const testOptions = group(groups.data, {
  test: {
    value: "path",
    describe: "Data to judge the result on (default: the test part of --data, else the held-out samples)",
  },
  "test-targets": {
    value: "path",
    describe:
      "Arrays that metrics compare the test data with, by name in an .npz file, one row per sample (default: those of an .npz file of --test that feed no input)",
  },
});

export const targetOptions = group(groups.quantization, {
  target: {
    describe:
      "Runtime that the file is for; efqat targets tells what each is (auto: ort-cpu, or ort-cpu-no-vnni on a processor whose 8-bit kernels saturate)",
    choices: ["auto", ...targetNames],
    default: "auto",
  },
});

/** What an artifact's file may be for. */
export const exportedTarget: OptionSpec = {
  group: targetOptions.target.group,
  choices: targetNames,
  describe:
    "Runtime that the file is for; its layout must be part of the trained one (default: the artifact's)",
};

export const quantizationOptions = group(groups.quantization, {
  target: targetOptions.target,
  wbits: { describe: "Bits of weights", choices: ["8", "4"], default: "8" },
  abits: {
    describe: "Bits of activations; 16 for targets that run them (qnn), without training",
    choices: ["16", "8", "4"],
    default: "8",
  },
  "first-last": {
    describe: "First and last layer: 8 bits, or the same as the rest",
    choices: ["8", "same"],
    default: "8",
  },
  "other-activations": {
    describe: "Activations that no Conv, Gemm or MatMul reads: the same as the rest, or 8 bits",
    choices: ["same", "8"],
    default: "same",
  },
  "exclude-ops": { value: "words", describe: "Operator types to leave in float, separated by commas" },
  "exclude-nodes": { value: "words", describe: "Nodes to leave in float, separated by commas" },
  quantized: {
    describe:
      "What becomes of the codes of a model that is quantized already: keep them and go on from there, or redo them from the float model that they stand for (default: an error)",
    choices: ["keep", "redo"],
  },
});

export const recipeOptions = group(groups.quantization, {
  recipe: {
    describe: "Kind of network, for the recipe that efqat zoo would take (auto: what the graph tells)",
    choices: recipeNames,
    default: "auto",
  },
});

export const calibrationOptions = group(groups.quantization, {
  samples: {
    value: "number",
    describe:
      "Calibration samples, drawn at random from the data (default: 512); with --stats the samples that these must be of at least (default: 16)",
  },
  stats: {
    value: "path",
    describe: "Statistics that efqat calibrate wrote, to find ranges from instead of the data",
  },
  encodings: {
    value: "path",
    describe:
      "Ranges of values and scales of weights from another tool, by name: AIMET's JSON encodings, overrides of QNN, or a calibration table of onnxruntime.quantization or TensorRT",
  },
  calibration: {
    describe: "How activation ranges are found",
    choices: calibrationMethods,
    default: "auto",
  },
});

export const auditOptions = group(groups.run, {
  "fail-under": {
    value: "number",
    describe: "Least share of multiply-accumulates on integer kernels, 0 to 1; below it the exit code is 6",
  },
});

/** Options of efqat calibrate itself. */
export const statisticsOptions = group(groups.data, {
  samples: {
    value: "number",
    describe: "Samples to look at, drawn at random from the data",
    default: "512",
  },
  merge: { describe: "Merge files of statistics of one model instead", flag: true },
});

/** Options of efqat data itself. */
export const lookOptions = {
  ...group(groups.data, {
    samples: {
      value: "number",
      describe: "Samples to look at, evenly over the data",
      default: "1000",
    },
  }),
  ...group(groups.output, {
    sheet: { value: "path", describe: "PNG file to write the first 64 pictures to, side by side" },
  }),
};

/** `data`, which another option may stand in for. */
export const dataUnless = (option: string) => ({
  ...dataOptions,
  data: { ...dataOptions.data, required: { unless: option } },
});

export const int4Options = group(groups.quantization, {
  int4: {
    describe:
      "4-bit codes in an int8 container (integer kernels) or as INT4 initializers (smallest file, opset 21)",
    choices: ["container", "initializer"],
    default: "container",
  },
});

export const subgraphOptions = group(groups.quantization, {
  "subgraph-weights": {
    describe:
      "Weights inside If, Loop and Scan bodies: float, as they are, or int8 codes with a scale per output channel (a smaller file; their operators still compute in floats)",
    choices: ["float", "int8"],
    default: "float",
  },
});

export const freezingOptions = group(groups.training, {
  "train-rows": {
    value: "number",
    alias: "ratio",
    describe: "Share of weight rows that train, 0 to 1 (the paper's update ratio)",
    default: "0.25",
  },
  mode: {
    alias: "choose-rows",
    describe:
      "How rows are chosen: cwpl, the best of each layer (the paper's); cwpn, the best of the network; lwpn, whole layers; cost, by importance per measured time, the backward ending at the first layer that trains; auto, cwpn where most weights have 4 bits, else cwpl",
    choices: ["auto", ...modeNames],
    default: "auto",
  },
  budget: {
    value: "number",
    describe: "Share of the time of a full backward that --mode cost may spend, 0 to 1 (default: 0.5)",
  },
  importance: {
    describe:
      "What ranks rows: their magnitude (over the layer's mean: normalized), how much the loss follows them (fisher), or the power of what their rounding adds (error-energy); auto: magnitude for cwpl, else fisher",
    choices: ["auto", ...importanceNames],
    default: "auto",
  },
  refresh: { value: "number", describe: "Samples between two choices of rows", default: "4096" },
});

/** What efqat takes to export a model in the user's Python. */
export const importOptions = group("Export:", {
  "open-axes": {
    value: "by-input",
    describe: "Dimensions that stay open besides the first, such as the length of texts: NAME=1",
  },
  "fixed-batch": { describe: "Keep the example's batch instead of an open one", flag: true },
  opset: { value: "number", describe: "Operator set of the file (default: the exporter's)" },
  python: {
    describe: "Python that has the framework (default: EFQAT_PYTHON, else python3)",
  },
});

export const exporterOption = group("Export:", {
  exporter: {
    describe:
      "PyTorch's exporter: dynamo, the newer one; torchscript, the older one; auto: the first whose file computes the same",
    choices: ["auto", "dynamo", "torchscript"],
    default: "auto",
  },
});

/** Options that may be given several times, each for other inputs. */
export const repeatedOptions = [...Object.keys(inputOptions), "input", "open-axes"];

const asBuilt = <T extends OptionSpec>({ default: _, ...spec }: T): Omit<T, "default"> => ({
  ...spec,
  describe: `${spec.describe.replace(/ \(default: .*\)$/, "")} (default: the artifact's)`,
});

/** How rows are chosen in a run on a built artifact, which has its own settings for that. */
export const askedFreezingOptions = {
  "train-rows": asBuilt(freezingOptions["train-rows"]),
  mode: asBuilt(freezingOptions.mode),
  budget: asBuilt(freezingOptions.budget),
  importance: asBuilt(freezingOptions.importance),
  refresh: freezingOptions.refresh,
};

export const optimizerOptions = group(groups.training, {
  optimizer: {
    describe: "Rule for weights and biases (default: adamw, or sgd with 4-bit activations)",
    choices: ["adamw", "sgd"],
  },
  momentum: { value: "number", describe: "Momentum of SGD", default: "0.9" },
  "weight-decay": { value: "number", describe: "Weight decay of trained rows", default: "0" },
  clip: { value: "number", describe: "Largest global gradient norm; 0 for no limit", default: "1" },
});

export const rateOptions = group(groups.training, {
  lr: {
    value: "number",
    describe:
      "Learning rate of weights and biases (default: of adamw 2e-5, or 1e-4 with 4-bit weights; of sgd 5e-3)",
  },
  "lr-scale": {
    value: "number",
    describe:
      "Learning rate of activation scales; weight scales get a tenth, zero points ten times of it (default: of adamw 1e-4, of sgd 1e-3)",
  },
});

/** Rates of a built artifact that a run may replace. */
export const hyperOptions = group(groups.training, {
  momentum: { value: "number", describe: "Momentum of SGD (default: the artifact's)" },
  "weight-decay": { value: "number", describe: "Weight decay of trained rows (default: the artifact's)" },
  clip: {
    value: "number",
    describe: "Largest global gradient norm; 0 for no limit (default: the artifact's)",
  },
});

const cache = {
  value: "path",
  describe: "Folder for times measured on this machine; default: efqat in the user's cache folder",
} as const;

export const artifactOptions = group(groups.training, {
  batch: {
    value: "number",
    describe:
      "Samples per training step (default: 64, or fewer where an epoch would have less than four steps)",
  },
  "micro-batch": {
    value: "number",
    describe:
      "Samples per run of the training graph, a divisor of --batch: a step averages the gradients of several runs and takes less memory (default: --batch)",
  },
  "memory-limit": {
    value: "bytes",
    describe:
      "Memory that the training process may take, such as 800MB or 2GB: chooses the largest micro-batch that is estimated to fit (default: 80 % of what is free; a container's limit counts)",
  },
  loss: {
    value: "measure",
    describe: `auto: cross-entropy and distillation with labels; without, distillation from the float model by the kind of each output; a name (${lossTermNames.join(", ")}); terms [OUTPUT=]NAME[@TARGET][:WEIGHT] separated by commas (ctc@NAME:blank-last where the blank is the last class); or an ONNX model, loss.onnx, that makes one number of outputs and targets`,
    default: "auto",
  },
  distill: { value: "number", describe: "Share of distillation in the automatic loss with labels, 0 to 1" },
  forward: {
    describe:
      "Training forward: float with fake quantizers, or the integer kernels of the deployed model (auto: integers on the CPU with 8-bit activations)",
    choices: ["auto", "float", "integer"],
    default: "auto",
  },
  backward: {
    describe:
      "Data gradients of convolutions and linear layers: float, or 8-bit codes on integer kernels (auto: what should be faster, on the CPU)",
    choices: ["auto", "float", "integer"],
    default: "auto",
  },
  algorithms: {
    alias: "forms",
    describe:
      "How it is decided in which of several algorithms a gradient is computed, and in which arithmetic: by estimate alone; also by trials on this machine, whose clear winners replace the estimate's; auto: trials that take at most a tenth of the expected training time",
    choices: ["auto", "trial", "estimate"],
    default: "auto",
  },
  cache,
  portable: { describe: "Training graphs of default-domain operators alone", flag: true },
});

const { "train-rows": trainRows, mode, budget, importance } = freezingOptions;

/** All that a training artifact is built from. */
export const buildOptions = {
  ...dataOptions,
  ...judgedOptions,
  ...quantizationOptions,
  ...calibrationOptions,
  "train-rows": trainRows,
  mode,
  budget,
  importance,
  ...artifactOptions,
  ...optimizerOptions,
  ...rateOptions,
};

export const profileOptions = group(groups.training, {
  steps: { value: "number", describe: "Steps to measure, after one that warms up", default: "5" },
});

export const trainOptions = group(groups.training, {
  epochs: { value: "number", describe: "Passes over the training data; fractions are allowed", default: "1" },
  val: {
    value: "number",
    describe:
      "Samples held out for validation: a fraction, or a count from 1 (default: 0.05, but at least 16 or a quarter of the samples, whichever are fewer)",
  },
  schedule: {
    describe: "Course of the learning rates",
    choices: ["cosine", "linear", "constant"],
    default: "cosine",
  },
  warmup: {
    value: "number",
    describe: "Share of the run over which the learning rates rise, 0 to 1",
    default: "0.05",
  },
  augment: { value: "words", describe: "Augment images: flip, crop=PIXELS, or both separated by a comma" },
  workers: {
    value: "number",
    describe:
      "Processes that share every step's runs of the training graph, and the --threads (default: all cores): the result is the same but for the order of sums",
    default: "1",
  },
  cache,
  resume: { describe: "Go on from the checkpoint of an interrupted run", flag: true },
  restart: { describe: "Throw away the checkpoint of an earlier run and start over", flag: true },
  tensorboard: {
    value: "path",
    describe:
      "Folder for event files of TensorBoard: losses while training, rates and trained rows at its end",
  },
});

export const restartOptions = group(groups.training, { restart: trainOptions.restart });

export const runOptions = group(groups.run, {
  seed: { value: "number", describe: "Seed of everything random", default: "0" },
  threads: { value: "number", describe: "Threads within an operator (default: ONNX Runtime's choice)" },
  provider: {
    describe:
      "Execution provider of ONNX Runtime (efqat doctor tells which there are), its options behind a colon: cpu, cuda, cuda:device=1,tf32=off, webgpu, ...",
    default: "cpu",
  },
});

export const evaluationBatch = group(groups.run, {
  batch: { value: "number", describe: "Samples per run", default: "64" },
});

export const reportOptions = {
  ...group(groups.run, {
    config: {
      value: "path",
      describe:
        "YAML or JSON file with options by name (efqat init writes one); those of the command line go before it",
    },
  }),
  ...group(groups.output, {
    json: {
      value: "path",
      describe:
        "Write the report as JSON to this file (docs/report-schema.json); after a failure it tells the error",
    },
    html: { value: "path", describe: "Write the report as one HTML page to this file" },
    "no-clobber": { describe: "Refuse to replace files that exist", flag: true },
    quiet: { describe: "No messages but warnings and errors, no report", flag: true },
    verbose: { describe: "Say more", flag: true },
    stack: { describe: "Stack traces with errors (also EFQAT_STACK=1)", flag: true },
  }),
};

export const outOptions = group(groups.output, {
  out: { value: "path", describe: "File or folder to write", required: true },
});
