/** Names of tensors in the graphs of an artifact and in its checkpoint. */

/** The output that is the gradient of an input; of a weight's trained rows under the weight's own name. */
export const gradientName = (input: string): string => `${input}.grad`;

/** Names of a weight's tensors in the graphs and the checkpoint. */
export const weightNames = (weight: string) => ({
  codes: `${weight}.codes`,
  scale: `${weight}.scale`,
  rows: `${weight}.rows`,
  latent: `${weight}.latent`,
  steps: `${weight}.steps`,
  grad: gradientName(weight),
  scaleGrad: gradientName(`${weight}.scale`),
});

/** Names of an activation quantizer's tensors in the graphs and the checkpoint. */
export const activationNames = (activation: string) => ({
  scale: `${activation}.scale`,
  zeroPoint: `${activation}.zero_point`,
  zeroPointCodes: `${activation}.zero_point.codes`,
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
