import { mixSeed, randomStream } from "../../src/data/random.ts";
import type { Batch, Dataset } from "../../src/data/dataset.ts";
import { elementCount, floats } from "../../src/tensor/tensor.ts";

/** A data set of normally distributed inputs with random labels: costs what real data cost, means nothing. */
export function randomDataset(
  input: string,
  sample: readonly number[],
  classes: number,
  length: number,
): Dataset {
  return {
    name: "random",
    length,
    hasLabels: true,
    classes,
    read: (indices) => Promise.resolve(randomBatch(Array.from(indices), { input, sample, classes })),
    describe: () => ({ format: "random", shape: sample }),
  };
}

function randomBatch(
  indices: readonly number[],
  { input, sample, classes }: { input: string; sample: readonly number[]; classes: number },
): Batch {
  const size = elementCount(sample);
  const data = new Float32Array(indices.length * size);
  const labels = new Int32Array(indices.length);
  indices.forEach((index, position) => {
    const random = randomStream(mixSeed(1, index));
    for (let i = 0; i < size; i += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - random()));
      const angle = 2 * Math.PI * random();
      data[position * size + i] = radius * Math.cos(angle);
      if (i + 1 < size) data[position * size + i + 1] = radius * Math.sin(angle);
    }
    labels[position] = Math.floor(random() * classes);
  });
  return { size: indices.length, inputs: { [input]: floats(data, [indices.length, ...sample]) }, labels };
}
