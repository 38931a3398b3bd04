import { distance } from "fastest-levenshtein";

/** What other tools call our options. */
const otherNames: Readonly<Record<string, string>> = {
  "batch-size": "batch",
  bits: "wbits",
  bs: "batch",
  "calib-samples": "samples",
  "calibration-data": "data",
  dataset: "data",
  debug: "verbose",
  dest: "out",
  device: "provider",
  dir: "out",
  ep: "provider",
  exclude: "exclude-nodes",
  "exclude-op-types": "exclude-ops",
  "image-size": "resize",
  input: "data",
  jobs: "threads",
  "learning-rate": "lr",
  "max-memory": "memory-limit",
  "nodes-to-exclude": "exclude-nodes",
  "num-samples": "samples",
  "num-threads": "threads",
  o: "out",
  "op-types-to-exclude": "exclude-ops",
  output: "out",
  "output-dir": "out",
  q: "quiet",
  silent: "quiet",
  size: "resize",
  skip: "exclude-nodes",
  v: "verbose",
  "validation-split": "val",
  "weight-bits": "wbits",
  "activation-bits": "abits",
  workers: "threads",
};

/**
 * The name that was most likely meant by `word`: what other tools call so, one that begins with it, or one that differs
 * in few letters.
 */
export function nearestName(word: string, names: readonly string[]): string | undefined {
  const plain = word.toLowerCase().replaceAll("_", "-");
  const known = Object.hasOwn(otherNames, plain) ? otherNames[plain] : undefined;
  const exact = names.find((name) => name === plain || name === known);
  if (exact !== undefined || plain === "") return exact;
  const longer = plain.length < 3 ? undefined : names.find((name) => name.startsWith(plain));
  if (longer !== undefined) return longer;
  const ranked = names
    .map((name) => ({ name, away: distance(plain, name.toLowerCase()) }))
    .sort((a, b) => a.away - b.away);
  const [best] = ranked;
  return best !== undefined && best.away <= Math.max(1, Math.floor(plain.length / 3)) ? best.name : undefined;
}

/** "Did you mean ...?" where a name is near, else nothing. */
export function didYouMean(word: string, names: readonly string[]): string {
  const name = nearestName(word, names);
  return name === undefined ? "" : `Did you mean ${name}? `;
}
