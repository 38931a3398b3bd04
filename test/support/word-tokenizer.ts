/** A tokenizer of whole words in the form that save_pretrained writes. */
const vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "dog", "sat"];
const special = (id: string, type = 0): unknown => ({ SpecialToken: { id, type_id: type } });
const sequence = (id: string, type = 0): unknown => ({ Sequence: { id, type_id: type } });
export const wordTokenizer = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: vocabulary.slice(0, 4).map((content, id) => ({
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  })),
  normalizer: { type: "Lowercase" },
  pre_tokenizer: { type: "Whitespace" },
  post_processor: {
    type: "TemplateProcessing",
    single: [special("[CLS]"), sequence("A"), special("[SEP]")],
    pair: [special("[CLS]"), sequence("A"), special("[SEP]"), sequence("B", 1), special("[SEP]", 1)],
    special_tokens: {
      "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
      "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
    },
  },
  decoder: null,
  model: {
    type: "WordLevel",
    vocab: Object.fromEntries(vocabulary.map((word, id) => [word, id])),
    unk_token: "[UNK]",
  },
};
