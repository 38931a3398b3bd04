import { usageError } from "../../errors.ts";

/** "3/16" as the third of sixteen parts. Throws usage/shard. */
export function parseShard(text: string): { part: number; parts: number } {
  const [, part = "0", parts = "0"] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  const shard = { part: Number(part), parts: Number(parts) };
  if (shard.part >= 1 && shard.part <= shard.parts) return shard;
  throw usageError("shard", `The value of --shard is "${text}"`, "--shard", "Give PART/PARTS, such as 3/16.");
}

/** The jobs of a shard: every so manieth, so that all shards get their share of the first and the last. */
export const shardOf = <T>(jobs: readonly T[], { part, parts }: { part: number; parts: number }): T[] =>
  jobs.filter((_, index) => index % parts === part - 1);
