/** Kinds of networks that are told apart, by what goes in and what comes out. */
export const familyNames = [
  "classifier",
  "detector",
  "segmenter",
  "image-to-image",
  "encoder",
  "ocr",
  "audio",
  "decoder",
  "other",
] as const;

export type Family = (typeof familyNames)[number];

/** How networks of a family are best quantized and trained, where nobody says otherwise. */
export interface Recipe {
  /** What training minimises. */
  loss: "auto" | "cross-entropy" | "kl" | "mse" | "bce";
  /** What the result is judged by. */
  metric: string;
  /** What the inputs are laid out as. */
  layout: string;
  /** What stays in float, in words; `floatTail`: nodes behind the last weights. */
  float: string;
  floatTail: boolean;
  /** Samples per training step, and per run in evaluation. */
  batch: number;
  evaluationBatch: number;
}
