import type { GradientBuilder } from "../lowering/gradient-builder.ts";
import type { TypedValue } from "./typed-value.ts";

/** <gradient, value> by a shortcut, which holds unless lowering rounds the gradient to codes. */
export const innerProduct = (
  build: GradientBuilder,
  gradient: string,
  { name, shape }: TypedValue,
  shortcut: string,
): string => build.gradient("InnerProduct", [gradient, name, shortcut], { shape });
