import { floatOf, intOf, intsOf } from "../../ir/attributes.ts";
import { attend, attendInSteps, causalMask, fromHeads, headsOf, keptMask, toHeads } from "./attend.ts";
import { type Composite, NotWritten, type WrittenOut } from "./composite.ts";

/** The value that the kernels give to what a Boolean mask leaves out. */
const lowest = -3.4028234663852886e38;

/**
 * ONNX's Attention: queries, keys and values apart, of three or four dimensions; keys and values may have fewer heads, and a
 * past in front of them. Further outputs: keys and values with their past, and the scores at one of their stages.
 */
export function attention(c: Composite): WrittenOut {
  const refused = refuseKind(c);
  if (refused !== undefined) return { refused };
  const rank = c.shape(0)?.length;
  const heads = rank === 4 ? c.dim(0, 1) : headsOf(c, "q_num_heads");
  const keyHeads = rank === 4 ? c.dim(1, 1) : headsOf(c, "kv_num_heads");
  const width = c.dim(0, -1);
  const valueWidth = c.dim(2, -1);
  if (heads === undefined || keyHeads === undefined || width === undefined || valueWidth === undefined)
    return { refused: "the number or width of its heads is not known" };
  const [size, valueSize] = rank === 4 ? [width, valueWidth] : [width / heads, valueWidth / keyHeads];
  const mask = addedMasks(c);
  if (typeof mask === "string") return { refused: mask };
  const split = (slot: number, count: number): string =>
    rank === 4 ? c.input(slot) : toHeads(c, c.input(slot), count);
  const behind = (slot: number, value: string): string =>
    c.has(slot) ? c.op("Concat", [c.input(slot), value], { axis: 2 }) : value;
  const [keys, values] = [behind(4, split(1, keyHeads)), behind(5, split(2, keyHeads))];
  const { result, ...stages } = attendInSteps(c, {
    query: split(0, heads),
    key: repeated(c, keys, heads / keyHeads, heads, size),
    value: repeated(c, values, heads / keyHeads, heads, valueSize),
    scale: floatOf(c.node, "scale", 0) || 1 / Math.sqrt(size),
    added: mask,
    cap: floatOf(c.node, "softcap", 0),
  });
  const { products, capped, scores, shares } = stages;
  const shown = [products, capped, scores, shares][intOf(c.node, "qk_matmul_output_mode", 0)];
  return [rank === 4 ? result : fromHeads(c, result), keys, values, shown];
}

function refuseKind(c: Composite): string | undefined {
  if (c.has(6)) return "its keys are padded";
  if (c.has(4) !== c.has(5)) return "it has a past of keys or values alone";
  const windows = ["left_window_size", "right_window_size"].map((name) => intOf(c.node, name, -1));
  return windows.some((size) => size >= 0) ? "it looks at a window of keys" : undefined;
}

function addedMasks(c: Composite): string[] | string {
  const rank = c.shape(0)?.length;
  const [queries, own] = [c.dim(0, rank === 4 ? 2 : 1), c.dim(1, rank === 4 ? 2 : 1)];
  const past = c.has(4) ? c.dim(4, 2) : 0;
  const keys = own === undefined || past === undefined ? undefined : own + past;
  const added: string[] = [];
  if (c.has(3)) {
    const last = c.dim(3, -1);
    if (last !== undefined && keys !== undefined && last !== keys && last !== 1)
      return "its mask is shorter than its keys";
    const isBoolean = c.dtype(3) === "bool";
    added.push(isBoolean ? c.op("Where", [c.input(3), c.number(0), c.number(lowest)]) : c.input(3));
  }
  if (intOf(c.node, "is_causal", 0) === 0) return added;
  if (queries === undefined || keys === undefined || past === undefined)
    return "its length is open and it looks back only";
  return [...added, causalMask(c, queries, keys, -Infinity, past)];
}

/** Heads that share a key and a value; what has more is damaged. */
const mostHeads = 1024;

/** Each head `times` times, one after the other. */
function repeated(c: Composite, value: string, times: number, heads: number, width: number): string {
  if (times === 1) return value;
  if (!Number.isInteger(times) || times < 1 || times > mostHeads)
    throw new NotWritten("its heads do not share keys and values evenly");
  const apart = c.unsqueeze(value, [2]);
  const copies = c.op("Concat", new Array<string>(times).fill(apart), { axis: 2 });
  return c.reshape(copies, [0, heads, -1, width]);
}

/** com.microsoft's Attention: one product for queries, keys and values. */
export function fusedAttention(c: Composite): WrittenOut {
  const { node } = c;
  if (c.has(4)) return { refused: "it has a past" };
  if (c.gives(1)) return { refused: "its present keys and values are used" };
  if (intOf(node, "do_rotary", 0) !== 0) return { refused: "it turns its operands" };
  const total = c.dim(1, 1);
  if (total === undefined) return { refused: "the width of its weight is not known" };
  const sizes = intsOf(node, "qkv_hidden_sizes") ?? [total / 3, total / 3, total / 3];
  const heads = headsOf(c);
  const added = masksOf(c, { mask: 3, bias: 5, from: 0 });
  if (typeof added === "string") return { refused: added };
  const product = c.matMul(c.input(0), c.input(1));
  const parts = c.split(c.has(2) ? c.add(product, c.input(2)) : product, sizes);
  const [query = "", key = "", value = ""] = parts.map((part) => toHeads(c, part, heads));
  const scale = floatOf(node, "scale", 0) || 1 / Math.sqrt((sizes[0] as number) / heads);
  return [fromHeads(c, attend(c, { query, key, value, scale, added }))];
}

/** com.microsoft's MultiHeadAttention: queries, keys and values apart, [batch, positions, width] each, with one bias. */
export function multiHeadAttention(c: Composite): WrittenOut {
  const width = c.dim(0, -1);
  if ([0, 1, 2].some((slot) => c.shape(slot)?.length !== 3) || width === undefined)
    return { refused: "its operands are packed" };
  if ([6, 7, 8, 9].some((slot) => c.has(slot))) return { refused: "it has a past" };
  if ([1, 2, 3].some((output) => c.gives(output))) return { refused: "its further outputs are used" };
  const heads = headsOf(c);
  const added = masksOf(c, { mask: 4, bias: 5, from: 0 });
  if (typeof added === "string") return { refused: added };
  const sizes = [width, width, c.dim(2, -1) ?? width];
  const biases = c.has(3) ? c.split(c.input(3), sizes) : [];
  const [query = "", key = "", value = ""] = sizes.map((_, slot) => {
    const bias = biases[slot];
    return toHeads(c, bias === undefined ? c.input(slot) : c.add(c.input(slot), bias), heads);
  });
  const scale = floatOf(c.node, "scale", 0) || 1 / Math.sqrt(width / heads);
  return [fromHeads(c, attend(c, { query, key, value, scale, added }))];
}

/** What is added to the scores: a bias as it is, a mask of kept keys, and what looking back only leaves out. */
function masksOf(c: Composite, slots: { mask: number; bias: number; from: number }): string[] | string {
  const low = floatOf(c.node, "mask_filter_value", -10000);
  const added: string[] = c.has(slots.bias) ? [c.input(slots.bias)] : [];
  if (c.has(slots.mask)) {
    const mask = keptMask(c, slots.mask, low);
    if (mask === undefined) return "its mask is given by starts and lengths";
    added.push(mask);
  }
  if (intOf(c.node, "unidirectional", 0) === 0) return added;
  const length = c.dim(slots.from, 1);
  if (length === undefined) return "its length is open and it looks back only";
  return [...added, causalMask(c, length, length, low)];
}

/** ONNX's RotaryEmbedding: pairs of elements turned by an angle that follows from the position. */
export function rotaryEmbedding(c: Composite): WrittenOut {
  const { node } = c;
  const rank = c.shape(0)?.length;
  const heads = intOf(node, "num_heads", 0);
  const width = rank === 4 ? c.dim(0, -1) : heads > 0 ? (c.dim(0, -1) ?? 0) / heads : undefined;
  if (width === undefined || width === 0) return { refused: "the width of its heads is not known" };
  const turned = intOf(node, "rotary_embedding_dim", 0) || width;
  const x = rank === 4 ? c.transpose(c.input(0), [0, 2, 1, 3]) : c.reshape(c.input(0), [0, 0, heads, -1]);
  const [part = "", ...rest] = turned === width ? [x] : c.split(x, [turned, width - turned]);
  const angle = (slot: number): string => {
    const values = c.has(3) ? c.op("Gather", [c.input(slot), c.input(3)], { axis: 0 }) : c.input(slot);
    return c.unsqueeze(values, [2]);
  };
  const result = turnPairs(c, part, turned, angle(1), angle(2));
  const whole = rest.length === 0 ? result : c.op("Concat", [result, ...rest], { axis: -1 });
  return [rank === 4 ? c.transpose(whole, [0, 2, 1, 3]) : c.reshape(whole, [0, 0, -1])];
}

/** (a*cos - b*sin, b*cos + a*sin) for the pairs a, b: the two halves, or neighbours where interleaved. */
function turnPairs(c: Composite, x: string, width: number, cos: string, sin: string): string {
  const half = width / 2;
  const interleaved = intOf(c.node, "interleaved", 0) === 1;
  const pairs = interleaved
    ? c
        .split(c.reshape(x, [0, 0, -1, half, 2]), [1, 1])
        .map((value) => c.op("Squeeze", [value, c.ints([-1])]))
    : c.split(x, [half, half]);
  const [a = "", b = ""] = pairs;
  const first = c.op("Sub", [c.mul(a, cos), c.mul(b, sin)]);
  const second = c.add(c.mul(b, cos), c.mul(a, sin));
  if (!interleaved) return c.op("Concat", [first, second], { axis: -1 });
  const joined = c.op("Concat", [c.unsqueeze(first, [-1]), c.unsqueeze(second, [-1])], { axis: -1 });
  return c.reshape(joined, [0, 0, -1, width]);
}
