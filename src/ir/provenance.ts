import type { Node } from "./model.ts";

/** What a node of a training graph is there for. */
export const purposes = [
  "forward",
  "data gradients",
  "weight gradients",
  "quantizer gradients",
  "other gradients",
] as const;
export type Purpose = (typeof purposes)[number];

/** What a node was made for: a node of the forward, and what of it. */
export interface Provenance {
  node: string;
  purpose: Purpose;
}

const [nodeKey, purposeKey] = ["efqat.node", "efqat.purpose"];

/** The provenance that a node's metadata tell; of a node without, that of the forward itself. */
export function provenanceOf({ name, metadata }: Pick<Node, "name" | "metadata">): Provenance {
  const purpose = purposes.find((each) => each === metadata.get(purposeKey));
  const node = metadata.get(nodeKey);
  return purpose === undefined || node === undefined ? { node: name, purpose: "forward" } : { node, purpose };
}

/** Metadata of a node that tell its provenance. */
export const metadataOf = ({ node, purpose }: Provenance): Map<string, string> =>
  new Map([
    [nodeKey, node],
    [purposeKey, purpose],
  ]);
