import type { Family, Recipe } from "./recipe.ts";

const image: Pick<Recipe, "layout" | "optimizer" | "rate" | "scaleRate" | "floatTail"> = {
  layout: "images, channels as the input has them",
  optimizer: "sgd",
  rate: 5e-3,
  scaleRate: 1e-3,
  floatTail: false,
};

const dense: Pick<Recipe, "batch" | "evaluationBatch"> = { batch: 8, evaluationBatch: 8 };

/** Attention is trained with AdamW at small rates by custom; SGD hardly moves it. */
const attention: Pick<Recipe, "optimizer" | "rate" | "scaleRate"> = {
  optimizer: "adamw",
  rate: 2e-5,
  scaleRate: 1e-4,
};

const asPlanned = "what the target runs in float";

export const recipes: Readonly<Record<Family, Recipe>> = {
  classifier: {
    ...image,
    loss: "auto",
    metric: "top-1",
    float: asPlanned,
    batch: 64,
    evaluationBatch: 64,
  },
  detector: {
    ...image,
    ...dense,
    loss: "auto",
    metric: "SQNR of the first head, or --metric map",
    rate: 1e-3,
    // Boxes in pixels and scores in [0, 1] do not share a scale.
    float: "nodes behind the last weights: decoding of boxes, selection",
    floatTail: true,
  },
  segmenter: {
    ...image,
    ...dense,
    loss: "kl",
    metric: "agreement of classes, place by place, or --metric miou",
    rate: 1e-3,
    float: asPlanned,
  },
  "image-to-image": {
    ...image,
    ...dense,
    loss: "mse",
    metric: "SQNR",
    rate: 1e-3,
    float: "nodes behind the last weights",
    floatTail: true,
  },
  encoder: {
    ...attention,
    loss: "mse",
    metric: "cosine",
    layout: "as the inputs have it",
    floatTail: false,
    float: asPlanned,
    batch: 16,
    evaluationBatch: 16,
  },
  ocr: {
    ...image,
    loss: "kl",
    metric: "agreement of characters, place by place, or --metric cer",
    rate: 1e-3,
    float: asPlanned,
    batch: 16,
    evaluationBatch: 16,
  },
  audio: {
    loss: "auto",
    metric: "SQNR, or top-1 with labels",
    layout: "as the inputs have it",
    float: asPlanned,
    floatTail: false,
    optimizer: "adamw",
    rate: 1e-4,
    scaleRate: 1e-3,
    batch: 16,
    evaluationBatch: 16,
  },
  decoder: {
    ...attention,
    loss: "kl",
    metric: "agreement of the next token",
    layout: "as the inputs have it",
    float: asPlanned,
    floatTail: false,
    batch: 4,
    evaluationBatch: 4,
  },
  other: {
    loss: "auto",
    metric: "SQNR",
    layout: "as the inputs have it",
    float: asPlanned,
    floatTail: false,
    optimizer: "sgd",
    rate: 5e-3,
    scaleRate: 1e-3,
    batch: 16,
    evaluationBatch: 16,
  },
};
