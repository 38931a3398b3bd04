import type { Artifact } from "../training/artifact.ts";
import { isSettledOn, leastMemory, type OpenArithmetic } from "../training/arithmetic/arithmetic.ts";
import type { MeasuredMemory } from "../training/measure-memory.ts";
import { roughTrainingBytes } from "../training/rough-memory.ts";
import { divisorsOf, fitMicroBatch } from "./fit-micro-batch.ts";
import type { MemoryLimit } from "./memory-limit.ts";
import type { ArtifactChoices } from "./options.ts";
import type { Quantized } from "./quantize-stage.ts";

/** An artifact and the memory that training it takes, by an upper bound or measured in a trial. */
export interface Built {
  artifact: Artifact;
  bytes: number;
  measured: boolean;
}

/**
 * What differs between builds of one artifact: the possible arithmetics, and how these and the algorithms are chosen.
 */
export interface BuildChoices extends OpenArithmetic {
  algorithms: ArtifactChoices["algorithms"];
}

/** Builds the artifact of a micro-batch, and tries what training it takes. */
export interface Builder {
  build: (microBatch: number, choices: BuildChoices) => Promise<Artifact>;
  measure: (artifact: Artifact) => Promise<MeasuredMemory>;
}

/** Training graphs and their tensors that are in memory during a race. */
const racesIn = 2.2;

/**
 * Builds with the largest micro-batch whose training stays within the limit. If a rough upper bound of the largest
 * micro-batch is within the limit, its build is final. Otherwise the micro-batch is found with the arithmetic that
 * takes the least memory; only then are algorithms and arithmetics tried by running training graphs, and the result is
 * kept if it stays within the limit as well. An integer backward that was asked for and takes more memory gets a
 * smaller micro-batch.
 */
export async function buildWithin(
  limit: MemoryLimit,
  { batch, microBatch, workers = 1 }: Pick<ArtifactChoices, "batch" | "microBatch" | "workers">,
  choices: BuildChoices,
  { model, dataset }: Quantized,
  builder: Builder,
): Promise<Built> {
  const sizes = microBatch === undefined ? divisorsOf(batch, workers) : [microBatch];
  const largest = sizes.at(-1) as number;
  const bound = workers * (roughTrainingBytes(model, largest) + (dataset.bytesInMemory ?? 0));
  if (bound <= limit.bytes)
    return { artifact: await builder.build(largest, choices), bytes: bound, measured: false };
  const tried = async (size: number, settled: BuildChoices) => {
    const artifact = await builder.build(size, settled);
    return { artifact, memory: await builder.measure(artifact) };
  };
  const lean: BuildChoices = { ...leastMemory(choices), algorithms: "estimate" };
  const fitted = await fitMicroBatch(sizes, limit, (size) => tried(size, lean));
  const size = fitted.artifact.manifest.batch;
  // Measuring gradients for an integer backward takes more than training; a race has two training graphs open at a time.
  const roomy = racesIn * fitted.bytes <= limit.bytes;
  const integer = isSettledOn(choices.backward, "integer");
  if (!roomy && !integer) return asBuilt(fitted);
  const asked = await tried(size, roomy ? choices : { ...choices, algorithms: "estimate" });
  if (asked.memory.fits) return asBuilt({ ...asked, bytes: asked.memory.bytes });
  if (!integer) return asBuilt(fitted);
  const smaller = sizes.filter((each) => each < size);
  return asBuilt(
    await fitMicroBatch(smaller.length > 0 ? smaller : sizes, limit, (each) => tried(each, choices)),
  );
}

const asBuilt = ({ artifact, bytes }: Omit<Built, "measured">): Built => ({
  artifact,
  bytes,
  measured: true,
});
