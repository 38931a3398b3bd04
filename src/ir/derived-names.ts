/** Names of values and nodes that are made for others of a model, in deployed graphs, training graphs and checkpoints. */

/** The values and nodes of a quantizer put behind a value. */
export const quantizerNames = (tensor: string) => ({
  codes: `${tensor}.codes`,
  /** Codes that a Clip has not bounded yet. */
  unbounded: `${tensor}.codes.unbounded`,
  dequantized: `${tensor}.dq`,
  /** The value in float, where the dequantized one has taken over its name. */
  float: `${tensor}.float`,
  quantize: `${tensor}.quantize`,
  clip: `${tensor}.clip`,
  dequantize: `${tensor}.dequantize`,
});

/** The value whose codes these are, by their name; any other name as it is. */
export const valueOfCodes = (name: string): string => name.replace(/\.codes$/, "");

/** The value that a node of a quantizer belongs to, by the node's name; any other name as it is. */
export const quantizedBy = (node: string): string => node.replace(/\.(quantize|dequantize|clip)$/, "");

/** The output that is the gradient of an input; of a weight's trained rows under the weight's own name. */
export const gradientName = (input: string): string => `${input}.grad`;

/** Names of a weight's or a bias's tensors in the graphs and the checkpoint, and of the node that dequantizes it. */
export const weightNames = (weight: string) => ({
  codes: `${weight}.codes`,
  scale: `${weight}.scale`,
  zeroPoint: `${weight}.zero_point`,
  dequantize: `${weight}.dequantize`,
  rows: `${weight}.rows`,
  latent: `${weight}.latent`,
  steps: `${weight}.steps`,
  grad: gradientName(weight),
  scaleGrad: gradientName(`${weight}.scale`),
});

/** Names of an activation quantizer's tensors in the graphs and the checkpoint. */
export const activationNames = (activation: string) => ({
  scale: `${activation}.scale`,
  /** Of training graphs a float, from which the codes' own is rounded. */
  zeroPoint: `${activation}.zero_point`,
  zeroPointCodes: `${activation}.zero_point.codes`,
});

/** A bias as int32 codes in a training graph, the step between two of them, and the value that they give. */
export const snappedBiasNames = (bias: string) => ({
  step: `${bias}.step`,
  ratio: `${bias}.ratio`,
  codes: `${bias}.codes`,
  snapped: `${bias}.snapped`,
});

interface WeightRows {
  name: string;
  shape: readonly number[];
  axis: number;
}

/** [R, ...rest]: the trained rows, row axis first. */
export const trainedShape = (weight: WeightRows): (number | string)[] => [
  trainedCount(weight),
  ...weight.shape.filter((_, index) => index !== weight.axis),
];

/** Symbol of the number of trained rows. */
export const trainedCount = (weight: Pick<WeightRows, "name">): string => `${weight.name}.rows.count`;
