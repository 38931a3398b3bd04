import { stringOf } from "../../ir/attributes.ts";
import type { Node } from "../../ir/model.ts";
import { alike, type Movement, type OperatorRow } from "./row.ts";

const first: Movement = { from: [0], to: [0] };
const reshape: OperatorRow = { kind: "movement", moves: { ...first, keepsOrder: true } };

/** Nearest-neighbour resizing copies elements; other modes compute new ones. */
function computesNew(node: Node): string | undefined {
  const mode = stringOf(node, "mode", "nearest");
  if (mode !== "nearest") return `mode "${mode}" computes new values`;
  const crops = stringOf(node, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize";
  return crops ? "tf_crop_and_resize fills with a float constant" : undefined;
}

const fills = (node: Node): string | undefined =>
  stringOf(node, "mode", "constant") === "constant" ? "it fills with a constant" : undefined;

const reduces = (node: Node): string | undefined =>
  stringOf(node, "reduction", "none") === "none" ? undefined : "it combines elements";

/** Operators whose outputs are elements of inputs. */
export const movements = {
  ...alike(["Flatten", "Reshape", "Squeeze", "Unsqueeze"], reshape),
  ...alike(["DepthToSpace", "Expand", "GatherElements", "GatherND", "Identity", "ReverseSequence"], {
    kind: "movement",
    moves: first,
  }),
  ...alike(["Slice", "SpaceToDepth", "Tile", "Transpose"], { kind: "movement", moves: first }),
  Gather: { kind: "movement", moves: first, parameters: [{ slot: 0, role: "table", axis: () => 0 }] },
  Compress: { kind: "movement", moves: first, shapedByData: true },
  TopK: { kind: "movement", moves: first },
  Unique: { kind: "movement", moves: first, shapedByData: true },
  Resize: { kind: "movement", moves: { ...first, refuse: computesNew } },
  Upsample: { kind: "movement", moves: { ...first, refuse: computesNew } },
  Split: { kind: "movement", moves: { from: [0], to: "all" } },
  Pad: { kind: "movement", moves: { ...first, refuse: fills } },
  Concat: { kind: "movement", moves: { from: "all", to: [0] } },
  ...alike(["Scatter", "ScatterElements", "ScatterND"], {
    kind: "movement",
    moves: { from: [0, 2], to: [0], refuse: reduces },
  }),
  TensorScatter: { kind: "movement", moves: { from: [0, 1], to: [0] } },
  ...alike(["CenterCropPad", "Trilu"], { kind: "movement" }),
  ...alike(["AffineGrid", "Col2Im", "GridSample", "RoiAlign"], { kind: "sampling" }),
} satisfies Readonly<Record<string, OperatorRow>>;
