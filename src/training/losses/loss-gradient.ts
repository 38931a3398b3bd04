import { unsupportedError } from "../../errors.ts";
import type { GradientPath } from "../../autodiff/gradient-path.ts";
import { lossPrefix } from "./inline-loss.ts";
import type { LossModel } from "./loss-model.ts";

/**
 * Throws a UserError that names the nodes of a loss at which the gradient of an output ends where it should not, or where the
 * loss does not follow any output differentiably.
 */
export function requireLossGradient({ file, outputs }: LossModel, path: GradientPath): void {
  const stops = path.stops().filter(({ node }) => node.startsWith(lossPrefix));
  const nameOf = (node: string): string => node.slice(lossPrefix.length);
  if (stops.length > 0) {
    const list = stops.map(({ node, op, reason }) => `${op} "${nameOf(node)}": ${reason}`).join("; ");
    throw unsupportedError(
      "loss-gradient",
      `The loss has no gradient at ${stops.length === 1 ? "a node" : `${stops.length} nodes`} behind the model's outputs: ${list}`,
      file,
      "Write the loss with operators that docs/operators.md lists with a gradient.",
    );
  }
  const arrives = outputs.some((output) => path.reached.has(output));
  if (!arrives || path.values.size > 0) return;
  throw unsupportedError(
    "loss-gradient",
    `The loss does not change with ${outputs.map((each) => `"${each}"`).join(", ")} by a gradient: what it makes of them is rounded, compared or counted`,
    file,
    "Write the loss with operators that docs/operators.md lists with a gradient.",
  );
}
