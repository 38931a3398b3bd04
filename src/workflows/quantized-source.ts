import type { Model } from "../ir/model.ts";
import { alreadyQuantized, codeNodes } from "../passes/unquantize/code-nodes.ts";
import type { FileQuantizers } from "../passes/unquantize/file-quantizers.ts";
import type { Kept } from "../quantization/keep-quantizers.ts";
import type { QuantizationChoices } from "./options.ts";

/**
 * Whether the quantizers of a model are to be taken out, if there are any.
 * @throws UserError unsupported/already-quantized where nobody says what is to become of them.
 */
export function asksUnquantize({ graph }: Model, asked: QuantizationChoices["quantized"]): boolean {
  const [found] = codeNodes(graph);
  if (found !== undefined && asked === undefined) throw alreadyQuantized(found);
  return asked !== undefined;
}

/** What was found of a source that is quantized already, and what of it is kept. */
export function describeKept({ operators }: FileQuantizers, kept?: Kept): string {
  const held = Array.from(operators, ([name, count]) => `${count} ${name}`).join(", ");
  const source = `The model is quantized already (${held}); "float" is the model that its codes stand for, without their rounding and clipping of activations.`;
  if (kept === undefined) return `${source} All codes are made anew.`;
  const more = kept.added === 0 ? "" : `, and ${kept.added} values that it has no codes of were calibrated`;
  return `${source} Codes of ${kept.weights} weights and ${kept.activations} activations are kept${more}.`;
}
