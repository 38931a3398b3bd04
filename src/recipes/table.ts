import type { Family, Recipe } from "./recipe.ts";

const image: Pick<Recipe, "layout" | "floatTail"> = {
  layout: "images, channels as the input has them",
  floatTail: false,
};

const dense: Pick<Recipe, "batch" | "evaluationBatch"> = { batch: 8, evaluationBatch: 8 };

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
    // Boxes in pixels and scores in [0, 1] do not share a scale.
    float: "nodes behind the last weights: decoding of boxes, selection",
    floatTail: true,
  },
  segmenter: {
    ...image,
    ...dense,
    loss: "kl",
    metric: "agreement of classes, place by place, or --metric miou",
    float: asPlanned,
  },
  "image-to-image": {
    ...image,
    ...dense,
    loss: "mse",
    metric: "SQNR",
    float: "nodes behind the last weights",
    floatTail: true,
  },
  encoder: {
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
    batch: 16,
    evaluationBatch: 16,
  },
  decoder: {
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
    batch: 16,
    evaluationBatch: 16,
  },
};
