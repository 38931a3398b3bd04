import { bombs } from "./bombs.ts";
import { external } from "./external.ts";
import { large } from "./large.ts";
import type { HostileModel } from "./model.ts";
import { names } from "./names.ts";
import { structure } from "./structure.ts";

/** Files that mean harm or are far larger than usual, of every kind that a reader of ONNX meets. */
export const hostileModels: readonly HostileModel[] = [
  ...bombs,
  ...external,
  ...large,
  ...names,
  ...structure,
];
