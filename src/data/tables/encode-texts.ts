/** What of a tokenizer is used; the package's own types do not resolve under Node's rules. */
export interface TextTokenizer {
  encode(
    text: string,
    options?: { text_pair?: string; add_special_tokens?: boolean; return_token_type_ids?: boolean },
  ): { ids: (number | undefined)[]; token_type_ids?: number[] };
  token_to_id(token: string): number | undefined;
}

/** Tokens of a text or a pair: their numbers, undefined for what the tokenizer does not know, and to which text they belong. */
export interface EncodedTexts {
  ids: (number | undefined)[];
  types: number[];
}

/**
 * Tokens of a text or a pair of texts, with the marks around them. At most `longest`: of a pair the longer text is cut first,
 * each at its end, and marks stay. Source: tokenizers, utils/truncation.rs, LongestFirst.
 */
export function encodeTexts(
  tokenizer: TextTokenizer,
  texts: readonly string[],
  longest: number,
): EncodedTexts {
  const [first = "", second] = texts;
  const encoded = tokenizer.encode(first, {
    ...(second === undefined ? {} : { text_pair: second }),
    return_token_type_ids: true,
  });
  const { ids, token_type_ids: types = ids.map(() => 0) } = encoded;
  const over = ids.length - longest;
  if (over <= 0) return { ids, types };
  const parts = findParts(tokenizer, texts, ids);
  const kept = shareLength(
    parts.map(({ length }) => length),
    parts.reduce((sum, { length }) => sum + length, 0) - over,
  );
  const dropped = new Set(
    parts.flatMap(({ start, length }, at) =>
      Array.from({ length: length - (kept[at] ?? 0) }, (_, index) => start + (kept[at] ?? 0) + index),
    ),
  );
  const left = ids.map((_, at) => at).filter((at) => !dropped.has(at));
  // Where marks alone are too many, the last of them go.
  const within = left.slice(0, longest);
  return { ids: within.map((at) => ids[at]), types: within.map((at) => types[at] ?? 0) };
}

/** Where the texts' own tokens lie among all. */
function findParts(
  tokenizer: TextTokenizer,
  texts: readonly string[],
  ids: readonly (number | undefined)[],
): { start: number; length: number }[] {
  let from = 0;
  return texts.map((text) => {
    const own = tokenizer.encode(text, { add_special_tokens: false }).ids;
    let start = from;
    while (start + own.length < ids.length && own.some((id, at) => ids[start + at] !== id)) start++;
    from = start + own.length;
    return { start, length: own.length };
  });
}

/** Lengths of one or two parts whose sum is at most `total`, taken from the longer one first. */
function shareLength([first = 0, second]: readonly number[], total: number): number[] {
  const room = Math.max(0, total);
  if (second === undefined) return [Math.min(first, room)];
  const shorter = Math.min(first, second, Math.floor(room / 2));
  return first <= second ? [shorter, room - shorter] : [room - shorter, shorter];
}
