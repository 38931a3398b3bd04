import { z } from "zod";
import { layerwiseSchema } from "./layerwise-data.ts";

const finite = z.number();
const text = z.string();

const fileSchema = z.object({ path: text, bytes: finite });

const outputSchema = fileSchema.extend({
  model: z
    .enum(["ptq", "efqat"])
    .optional()
    .describe(
      "Which model was written: the trained one, or the post-training one where training gained nothing.",
    ),
});

const modelSchema = fileSchema.extend({
  sha256: text,
  producer: text,
  opset: finite.describe("Version of the default ONNX operator set."),
  nodes: finite,
  parameters: finite.describe("Elements of all initializers."),
  inputs: z.array(z.object({ name: text, type: text, shape: z.array(z.union([z.number(), z.string()])) })),
  outputs: z.array(z.object({ name: text, type: text, shape: z.array(z.union([z.number(), z.string()])) })),
  operators: z.record(text, finite).describe("Number of nodes by operator."),
});

const nodeReasonSchema = z.object({ node: text, op: text, reason: text });

const layerSchema = z.object({
  weight: text,
  nodes: z.array(text),
  op: text,
  bits: finite,
  shape: z.array(finite),
  rows: finite.describe("Rows, which are output channels."),
  changedRows: finite.optional().describe("Rows of which training changed an integer code."),
});

const quantizationSchema = z.object({
  target: text.describe("The runtime that the file is for (efqat targets)."),
  wbits: finite,
  abits: finite,
  calibration: text.optional(),
  calibrationSamples: finite.optional(),
  weights: finite.describe("Number of quantized weights."),
  activations: finite.describe("Number of activation quantizers."),
  layers: z.array(layerSchema),
  float: z.array(nodeReasonSchema).describe("Every node left in float, with its reason."),
  dropped: z.array(nodeReasonSchema).describe("Relu and Clip nodes that a quantizer's saturation replaces."),
});

const calibrationSchema = z
  .object({
    samples: finite.describe("Samples that the statistics are of."),
    values: finite.describe("Values of the model that they tell of."),
    unfit: z
      .array(z.object({ value: text, reason: text }))
      .describe("Values that no codes fit: infinite, nan, or unseen."),
  })
  .describe("The statistics that were written.");

const trainingSchema = z.object({
  mode: text,
  ratio: finite,
  budget: finite.describe("Share of a full backward's time that the mode cost may spend."),
  importance: text,
  refresh: finite.describe("Samples between two choices of the trained rows."),
  epochs: finite,
  batch: finite.describe("Samples per step."),
  microBatch: finite.describe("Samples per run of the training graph."),
  forward: z.enum(["float", "integer"]).describe("What the training forward computed with."),
  backward: z.enum(["float", "integer"]).describe("What data gradients of layers were computed with."),
  rates: z
    .array(z.object({ samples: finite, rate: finite, scaleRate: finite.optional() }))
    .optional()
    .describe(
      "Learning rates of weights and of activation scales, as the schedule had them, at up to 200 steps of the run.",
    ),
  rowsOverTime: z
    .object({
      samples: z.array(finite).describe("Samples seen before each choice."),
      layers: z.array(
        z.object({ weight: text, shares: z.array(finite).describe("Share of the rows that trained.") }),
      ),
    })
    .optional()
    .describe("Which rows trained over time: up to 64 of the choices of rows, spread evenly over the run."),
  algorithmsByTrial: finite.describe(
    "Gradients computed by another algorithm than estimated, as trials found it clearly faster.",
  ),
  loss: text,
  steps: finite,
  samples: finite.describe("Samples seen."),
  seconds: finite,
  peakBytes: finite.describe(
    "Largest resident memory of the process that trained; of several, the sum of each one's.",
  ),
  workers: z
    .object({
      count: finite,
      sentPerStep: finite.describe(
        "Mean bytes of a step from the first worker, which runs the optimizer, to all others: what the step changed.",
      ),
      receivedPerStep: finite.describe("The same from all others to the first: gradients of what trains."),
      sentBeside: finite.describe(
        "Bytes sent beside steps: the state at the start, and the rows at each choice.",
      ),
    })
    .optional()
    .describe("Processes that shared the steps, where there were several, and what crossed between them."),
  optimizer: z.record(text, z.unknown()),
  history: z.array(z.object({ samples: finite, loss: finite })).describe("Training loss by samples seen."),
  validation: z
    .array(
      z.object({
        samples: finite,
        loss: finite,
        accuracy: finite.optional(),
        metric: finite.optional().describe("The metric that the best state is kept by."),
        gain: finite
          .optional()
          .describe(
            "How much lower the loss is than the start's, or how much better the metric, on the same samples.",
          ),
        gainError: finite.optional().describe("Standard error of the gain."),
      }),
    )
    .describe("Loss and top-1 accuracy (a fraction) on held-out samples."),
  heldOut: finite.optional().describe("Number of held-out samples."),
  bestStep: finite.describe(
    "Steps before the state that was kept: the best on the held-out samples, and 0, the start, where none is better beyond chance.",
  ),
  untrainable: z
    .array(nodeReasonSchema)
    .describe("Nodes at which gradients end or that do not train, with reasons."),
  frozen: z
    .array(text)
    .describe("Quantized weights and float parameters that no gradient reaches; they stay as calibrated."),
  trainedFraction: finite.describe("Share of the quantized weights' rows that the last choice let train."),
});

const memorySchema = z
  .object({
    microBatch: finite.describe("Samples per run of the training graph."),
    bytes: finite.describe(
      "Largest resident memory of a process that took two steps; where the limit is far away, an upper bound from the model's shapes.",
    ),
    measured: z.boolean().describe("Whether steps were taken."),
    limitBytes: finite.describe("What --memory-limit allowed, else 80 % of the memory that was free."),
    limitAsked: z.boolean().describe("Whether the limit was given."),
  })
  .describe("The memory that training takes, found out before it starts.");

const interval = z.tuple([finite, finite]);

const measureSchema = z.object({
  top1: finite.optional().describe("Fraction of samples whose label has the largest output."),
  top5: finite.optional(),
  loss: finite.optional().describe("Mean cross-entropy."),
  agreement: finite
    .optional()
    .describe("Fraction of samples, or of places in them, with the float model's class."),
  sqnr: finite
    .optional()
    .describe("Signal to quantization noise against the float model, in dB; 200 where nothing differs."),
  cosine: finite
    .optional()
    .describe("Mean cosine of a sample's values with the float model's, of outputs that hold no classes."),
  equal: finite.optional().describe("Fraction of elements equal to the float model's, of integer outputs."),
});

const measureNames = ["top1", "top5", "loss", "agreement", "sqnr", "cosine", "equal"] as const;

const scoreSchema = measureSchema.extend({
  model: z.enum(["float", "ptq", "efqat", "model", "reference"]),
  samples: finite,
  usedFor: z
    .array(text)
    .optional()
    .describe("What the judged samples, or some of them, were used for in making this model; none: unseen."),
  intervals: z
    .partialRecord(z.enum(measureNames), interval)
    .optional()
    .describe("95 % intervals over the draw of samples: Wilson's for rates, normal ones for the others."),
  metrics: z
    .array(z.object({ name: text, value: finite, interval: interval.optional() }))
    .optional()
    .describe("Metrics that were asked for, with 95 % intervals (jackknife, of metrics that are no means)."),
  otherOutputs: z
    .array(measureSchema.extend({ output: text, kind: text }))
    .optional()
    .describe("Distance of the outputs that are not judged from the float model's."),
});

const judgingSchema = z
  .object({
    output: text.describe("The output that scores are of."),
    kind: text.describe("What it holds: logits, probabilities, features, map, sequence, integers, ..."),
    because: text.describe("Why it is taken for that."),
    certain: z.boolean().describe("False where the kind is what such an output mostly is."),
    use: text.describe("Where the samples come from: test, held out, training, evaluation."),
    samples: finite,
    metrics: z
      .array(z.object({ name: text, better: z.enum(["higher", "lower"]) }))
      .optional()
      .describe("Metrics that were asked for; the first decides what is better."),
    missingClasses: z.array(finite).optional().describe("Classes of which no judged sample is."),
  })
  .describe("What the scores are of.");

const comparisonSchema = z
  .object({
    model: text,
    against: text,
    samples: finite,
    measure: z
      .enum(["loss", "noise", "metric"])
      .describe("What is compared: cross-entropy, noise in dB, or a metric."),
    metric: text.optional().describe("The metric that is compared."),
    gain: finite.describe("How much lower it is, or how much better the metric, on the same samples."),
    interval: interval.optional().describe("95 % interval of the gain."),
    moreRight: finite.optional().describe("Samples that only this model has right."),
    fewerRight: finite.optional().describe("Samples that only the other has right."),
    probability: finite.optional().describe("That chance alone makes this difference of right answers."),
    better: z.boolean().describe("Better beyond chance (5 %, one-sided)."),
  })
  .describe("The trained model against the post-training one, sample by sample.");

const verificationSchema = z.object({
  samples: finite,
  output: text.optional().describe("The output that the distances are of."),
  sqnr: finite.describe("dB, exported model against the graph it was made of."),
  fromFloat: z
    .object({ exported: finite, reference: finite })
    .optional()
    .describe(
      "SQNR in dB of the exported model and of the graph it was made of, each against the float model.",
    ),
  agreement: finite
    .optional()
    .describe(
      "Fraction of places with equal classes, choices within quantization noise of each other included.",
    ),
  layerSamples: finite.optional().describe("Samples that were compared layer by layer."),
  onEqualInputs: finite.optional().describe("SQNR in dB of the outputs where every layer gets equal codes."),
  layers: z.array(
    z.object({
      tensor: text,
      largestStep: finite.describe("Largest distance of codes, in quantization steps, on equal inputs."),
      differing: finite.describe("Fraction of codes that differ."),
      beyondOne: finite.describe("Fraction of codes more than one step apart."),
    }),
  ),
});

const auditSchema = z.object({
  target: text.describe("The runtime that nodes are judged for (efqat targets)."),
  formats: z
    .array(z.enum(["QDQ", "QOperator", "dynamic", "weights", "float"]))
    .describe(
      "How the file says what is quantized: pairs around float operators, operators on codes, activations quantized at run time, weights alone, or nothing.",
    ),
  judgedBy: z
    .enum(["kernels", "structure"])
    .describe("By the graph that ONNX Runtime optimized, read back, or by what the target needs of a file."),
  integerNodes: finite,
  totalNodes: finite.describe("Nodes that compute something, quantizers left out."),
  integerMacs: finite.describe("Multiply-accumulates per sample on integer kernels."),
  quantizedMacs: finite.optional().describe("Multiply-accumulates per sample of quantized layers."),
  totalMacs: finite,
  floatNodes: z
    .array(nodeReasonSchema.extend({ macs: finite }))
    .describe("Nodes on float kernels and why, those with most multiply-accumulates first."),
  slowNodes: z
    .array(nodeReasonSchema.extend({ macs: finite }))
    .optional()
    .describe("Nodes whose integer kernels are known to be slower than float ones, and why."),
  saturatingNodes: z
    .array(nodeReasonSchema)
    .optional()
    .describe(
      "Nodes whose uint8 by int8 products saturate on x64 processors without VNNI for large activations, by the codes of their weights.",
    ),
  idleQuantizers: z
    .array(nodeReasonSchema)
    .describe("Quantizers whose codes nothing on integers reads or writes: they round and save nothing."),
  faults: z
    .array(nodeReasonSchema)
    .describe("Nodes whose integer kernel does not compute what the file says, or fails."),
  kernels: z.record(text, finite).describe("Operators of the graph as ONNX Runtime optimized it."),
});

const recipeSchema = z
  .object({
    name: text.describe("Kind of network."),
    because: text.describe("What of the graph speaks for it."),
    loss: text,
    metric: text.describe("What the result is judged by."),
    layout: text,
    float: text.describe("What stays in float."),
    excludeNodes: z.array(text).describe("Nodes that the recipe leaves in float."),
    batch: finite.describe("Samples per training step."),
  })
  .describe("How such a network is best quantized and trained, as efqat zoo does it.");

const quartiles = interval.optional().describe("Lower and upper quartile.");

const latencySchema = z.object({
  batch: finite,
  threads: finite.optional().describe("Absent: ONNX Runtime's choice."),
  processors: finite.optional().describe("Processors that the system has."),
  runs: finite.optional().describe("Timed runs of each model, in turn."),
  floatMs: finite.describe("Median of one run of the source model."),
  quantizedMs: finite.describe("Median of one run of the exported model."),
  floatQuartiles: quartiles,
  quantizedQuartiles: quartiles,
  slower: z.boolean().optional().describe("The exported model is slower beyond the spread of the runs."),
});

const postTrainingSchema = z
  .object({
    bytes: finite.optional().describe("Size that its file would have; absent where that is beyond 2 GB."),
    latencyMs: finite.optional().describe("Median of one run, taken in turn with the others' (see latency)."),
    latencyQuartiles: quartiles,
  })
  .describe("The post-training model, where the trained one was written in its place.");

const profileSchema = z.object({
  forward: z.enum(["float", "integer"]),
  backward: z.enum(["float", "integer"]),
  batch: finite.describe("Samples per step."),
  microBatch: finite.describe("Samples per run of the training graph."),
  steps: finite.describe("Steps that the means are over; one more came before them."),
  losses: z.array(finite).optional().describe("Loss of each step, that of the first one before them too."),
  stepMs: finite.describe("A whole step."),
  peakBytes: finite.describe(
    "Largest resident memory of the process that took the steps and did nothing else.",
  ),
  parts: z.array(z.object({ part: text, ms: finite })).describe("Where a step's time goes, in order."),
  operators: z.array(z.object({ phase: text, op: text, ms: finite, calls: finite })),
  fallbacks: z
    .array(z.object({ op: text, ms: finite, calls: finite }))
    .optional()
    .describe("Operators that ran on the CPU although another provider was asked for."),
  layers: z
    .array(z.object({ layer: text, parts: z.record(text, finite) }))
    .describe("Milliseconds by node of the model and part."),
});

const contentsSchema = z
  .object({
    samples: finite.describe("Samples of the data."),
    looked: finite.describe("Samples that were looked at, evenly over the data."),
    inputs: z
      .array(
        z.object({
          name: text,
          type: text,
          shapes: z.array(text),
          min: finite.optional(),
          max: finite.optional(),
          mean: finite.optional(),
        }),
      )
      .describe(
        "What feeds each input, as the model gets it: shapes with the batch, and the range of values.",
      ),
    classes: z
      .array(z.object({ label: finite, name: text.optional(), samples: finite }))
      .describe("Labels of the samples looked at."),
    sheet: text.optional().describe("The file that pictures were written to."),
  })
  .describe("What efqat data saw.");

const errorSchema = z.object({
  code: text,
  what: text,
  where: text.optional().describe("The node, tensor, file or option."),
  hint: text.optional().describe("What to do."),
  exitCode: finite,
});

const machineSchema = z
  .object({
    cpu: text.describe("Model of the processor, as the system names it."),
    processors: finite.describe("Processors that the system has for this process."),
    memoryBytes: finite,
    system: text.describe("Platform and architecture, as Node names them."),
  })
  .describe("Where the command ran.");

const trySchema = z.object({
  state: z.enum(["works", "differs", "fails", "not tried"]),
  milliseconds: finite.optional().describe("A run, or a step, after one that warmed up."),
  difference: finite.optional().describe("Relative difference from the CPU's outputs, or losses."),
  why: text.optional().describe("What went wrong."),
});

const installationSchema = z
  .object({
    checks: z.array(
      z.object({
        part: text,
        found: text,
        state: z.enum(["good", "optional", "missing"]).describe("Optional: only some commands need it."),
        remedy: text.optional(),
      }),
    ),
    providers: z
      .array(
        z.object({
          provider: text,
          bundled: z.boolean().describe("Whether its libraries come with onnxruntime-node."),
          model: trySchema.describe("A small convolutional network."),
          training: trySchema.describe("Steps of EfQAT of the same network."),
          fallbacks: z
            .array(text)
            .optional()
            .describe("Operators of the training step that ran on the CPU instead."),
          remedy: text.optional(),
        }),
      )
      .describe("Execution providers that ONNX Runtime was built with, each tried in processes of its own."),
  })
  .describe("What this installation has, and what runs on it.");

const importedSchema = z
  .object({
    from: z.enum(["torch", "hf", "tf"]).describe("PyTorch module, Hugging Face folder or TensorFlow model."),
    source: text,
    exporter: text.describe("The exporter whose file computes what the framework does."),
    open: z.record(text, z.array(finite)).describe("Dimensions that stay open, by input."),
    versions: z.record(text, text).describe("Packages of the Python that exported."),
    architecture: text.optional(),
    outputs: z
      .array(z.object({ output: text, error: finite }))
      .describe(
        "Distance from the framework's outputs in ONNX Runtime, relative to their norm; of integers the share that differs.",
      ),
    failures: z
      .array(z.object({ attempt: text, what: text }))
      .describe("Ways of exporting that were tried before, and why they failed."),
    suggested: z
      .record(text, text)
      .describe("Options for the data that files beside the weights stand for: tokenizer, preprocess."),
    next: text.describe("A command to go on with."),
  })
  .describe("Where an exported model comes from, and that it computes the same.");

/** What a command did, for people (text, HTML) and programs (JSON). Sections a command does not have are absent. */
export const reportSchema = z.object({
  formatVersion: z.literal(1),
  tool: z.object({ name: z.literal("efqat"), version: text, runtime: text, node: text }),
  command: z.enum([
    "optimize",
    "inspect",
    "quantize",
    "artifact",
    "train",
    "export",
    "evaluate",
    "profile",
    "audit",
    "targets",
    "calibrate",
    "init",
    "data",
    "from-torch",
    "from-hf",
    "from-tf",
    "doctor",
    "encodings",
  ]),
  commandLine: z
    .array(text)
    .optional()
    .describe("The words that the command was given as; absent in the library."),
  machine: machineSchema.optional(),
  options: z.record(text, z.unknown()).describe("The options in effect, defaults included."),
  model: modelSchema.optional().describe("Absent where no model is read, and after a failure."),
  data: z.record(text, z.record(text, z.unknown())).optional().describe("What was read, by its use."),
  support: z
    .array(nodeReasonSchema)
    .optional()
    .describe("Nodes at which gradients end or that do not train, with reasons."),
  calibration: calibrationSchema.optional(),
  recipe: recipeSchema.optional(),
  quantization: quantizationSchema.optional(),
  memory: memorySchema.optional(),
  training: trainingSchema.optional(),
  judging: judgingSchema.optional(),
  scores: z.array(scoreSchema).optional(),
  comparison: comparisonSchema.optional(),
  output: outputSchema.optional(),
  verification: verificationSchema.optional(),
  audit: auditSchema.optional(),
  latency: latencySchema.optional(),
  postTraining: postTrainingSchema.optional(),
  layerwise: layerwiseSchema.optional(),
  profile: profileSchema.optional(),
  contents: contentsSchema.optional(),
  imported: importedSchema.optional(),
  installation: installationSchema.optional(),
  encodings: z
    .object({ format: text, activations: finite, weights: finite })
    .optional()
    .describe("Scales and offsets that were written for another tool."),
  stages: z
    .array(
      z.object({
        stage: text,
        seconds: finite,
        peakBytes: finite
          .optional()
          .describe("Largest resident memory of the command's own process until the stage's end."),
        runtimePeakBytes: finite
          .optional()
          .describe("The same of the process in which it runs ONNX Runtime, where that is another."),
      }),
    )
    .optional()
    .describe("Where the time went, stage by stage."),
  unmet: z
    .array(text)
    .optional()
    .describe("What was asked for and does not hold; the command ends with exit code 6."),
  seconds: finite,
  warnings: z.array(text),
});

/** The report of a command that failed. */
export const failedReportSchema = reportSchema
  .pick({ formatVersion: true, tool: true, command: true, commandLine: true, machine: true })
  .extend({
    options: reportSchema.shape.options,
    error: errorSchema.describe("Why the command failed; absent where it went well."),
    seconds: finite,
    warnings: z.array(text),
  });

/**
 * What a command found and did: sections by what it does, JSON-able. Its fields are described in `docs/report-schema.json`. Times
 * are in seconds or, of a single inference, milliseconds; sizes in bytes; rates and shares between 0 and 1.
 */
export interface Report extends z.infer<typeof reportSchema> {}
export type FailedReport = z.infer<typeof failedReportSchema>;
export type Score = z.infer<typeof scoreSchema>;
export type InstallationSection = z.infer<typeof installationSchema>;
export type ContentsSection = z.infer<typeof contentsSchema>;
export type CalibrationSection = z.infer<typeof calibrationSchema>;
export type QuantizationSection = z.infer<typeof quantizationSchema>;
export type TrainingSection = z.infer<typeof trainingSchema>;
export type LayerwiseSection = z.infer<typeof layerwiseSchema>;
export type MemorySection = z.infer<typeof memorySchema>;
export type ModelSection = z.infer<typeof modelSchema>;

/** The schema as JSON Schema (draft 2020-12), as docs/report-schema.json holds it. */
export function reportJsonSchema(): Record<string, unknown> {
  const { error } = failedReportSchema.shape;
  const written = reportSchema.extend({ error: error.optional() });
  return z.toJSONSchema(written, { target: "draft-2020-12" });
}

/** The report as JSON text; checked against the schema first, so that no command can write another shape. */
export function renderJson(report: Report | FailedReport): string {
  const checked = isFailed(report) ? failedReportSchema.parse(report) : reportSchema.parse(report);
  return `${JSON.stringify(checked, null, 2)}\n`;
}

export const isFailed = (report: Report | FailedReport): report is FailedReport => "error" in report;
