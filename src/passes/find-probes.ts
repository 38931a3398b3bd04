import { InternalError, modelError, UserError } from "../errors.ts";
import { bindOpen, staticShape } from "../ir/value-types.ts";
import type { Model, Value } from "../ir/model.ts";
import { withSession } from "../runtime/open-model.ts";
import type { Session } from "../runtime/session.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { applyInputShapes, bindSymbols, nameOpenDims, type OpenInputs, type Sizes } from "./bind-inputs.ts";
import { loadLimits } from "./preparation-limits.ts";
import { resizeFeed } from "./resize-feed.ts";
import { TypeMemo } from "./type-memo.ts";

/** Sizes of the open dimensions at which a model runs. */
export interface Probes {
  base: Sizes;
  /** The same with one symbol (and those that go with it) at another size. */
  variants: { symbol: string; sizes: Sizes }[];
  /** Symbols that have one size only: the model was traced at it. */
  frozen: FrozenDim[];
}

/** An open dimension that takes one size only. */
export interface FrozenDim {
  symbol: string;
  size: number;
  /** Error that the runtime gives for another size; it names the node. */
  reason: string;
}

/** One sample of the data: full inputs by name, batch dimension included. */
export type SampleFeeds = Readonly<Record<string, Tensor>>;

/** Two batch sizes that no usual fixed dimension of a network divides or equals by accident. */
const batchSizes = [3, 7] as const;
/** What open dimensions are tried at when no data says better. */
const guesses = [64, 224, 32, 640, 128, 16, 8, 256, 512];

/**
 * Finds sizes of the open dimensions at which `model` can be looked at, starting at those of `sample` where it is given
 * (the model then has to run on it, too), otherwise at usual ones. Throws model/open-shape when no size is found.
 */
export async function findProbes(model: Model, sample?: SampleFeeds, memo = new TypeMemo()): Promise<Probes> {
  const open = nameOpenDims(applyInputShapes(model.graph));
  const find = async (session?: Session): Promise<Probes> => {
    const search = new ProbeSearch(model, open, memo, sample && session && { feeds: sample, session });
    const base = await search.findBase();
    return { base, ...(await search.findVariants(base)) };
  };
  if (open.symbols.length === 0) return { base: new Map(), variants: [], frozen: [] };
  return sample === undefined
    ? find()
    : withSession(openModel(model, open), { optimization: "disabled" }, find);
}

/** The model with its dimensions open, whatever is declared about them inside. */
function openModel(model: Model, { inputs }: OpenInputs): Model {
  const { graph } = model;
  const defaults = graph.inputs.filter(({ name }) => graph.initializers.has(name));
  return { ...model, graph: { ...graph, inputs: [...inputs, ...defaults], valueInfo: new Map() } };
}

/** A sample, and a session on the model with its dimensions open. */
interface Trial {
  feeds: SampleFeeds;
  session: Session;
}

class ProbeSearch {
  readonly #model: Model;
  readonly #open: OpenInputs;
  readonly #memo: TypeMemo;
  readonly #trial: Trial | undefined;
  /** Error of the sizes that failed last. */
  #error: Error = new InternalError("no sizes were tried");

  constructor(model: Model, open: OpenInputs, memo: TypeMemo, trial: Trial | undefined) {
    this.#memo = memo;
    this.#model = model;
    this.#open = open;
    this.#trial = trial;
  }

  async findBase(): Promise<Sizes> {
    const { batch, symbols } = this.#open;
    const known = this.#sampleSizes();
    const unknown = symbols.some((symbol) => symbol !== batch && !known.has(symbol));
    for (const guess of unknown ? guesses : [1])
      for (const size of batch === undefined ? [1] : [batchSizes[0], 1]) {
        const sizes = new Map(symbols.map((symbol) => [symbol, known.get(symbol) ?? guess]));
        if (batch !== undefined) sizes.set(batch, size);
        if (await this.#runs(sizes)) return sizes;
      }
    // What fails whatever the sizes is not the dimensions' fault.
    await withSession(
      openModel(this.#model, this.#open),
      { optimization: "disabled", limits: loadLimits(this.#model) },
      async () => undefined,
    );
    throw symbols.length === 1 && batch !== undefined ? this.#error : this.#noSize(known);
  }

  /** Another size for each symbol, or the word that there is none. */
  async findVariants(base: Sizes): Promise<Pick<Probes, "variants" | "frozen">> {
    const variants: Probes["variants"] = [];
    const frozen: FrozenDim[] = [];
    for (const symbol of this.#open.symbols) {
      const sizes =
        (await this.#vary(base, [symbol])) ?? (await this.#vary(base, this.#partnersOf(symbol, base)));
      if (sizes !== undefined) variants.push({ symbol, sizes });
      else frozen.push({ symbol, size: base.get(symbol) ?? 1, reason: this.#error.message });
    }
    return { variants, frozen };
  }

  /** Other symbols of the same size: a model may take them only when they stay equal. */
  #partnersOf(symbol: string, base: Sizes): string[] {
    const equal = this.#open.symbols.filter((other) => base.get(other) === base.get(symbol));
    return equal.length > 1 ? [symbol, ...equal.filter((other) => other !== symbol)] : [];
  }

  async #vary(base: Sizes, together: readonly string[]): Promise<Sizes | undefined> {
    const [symbol] = together;
    if (symbol === undefined) return undefined;
    const size = base.get(symbol) ?? 1;
    for (const other of symbol === this.#open.batch ? [batchSizes[1]] : otherSizes(size)) {
      const sizes = new Map(base);
      for (const each of together) sizes.set(each, other);
      if (await this.#runs(sizes)) return sizes;
    }
    return undefined;
  }

  /** Whether shapes can be inferred at `sizes` and, with a sample, whether the model runs on it resized to them. */
  async #runs(sizes: Sizes): Promise<boolean> {
    const inputs = bindSymbols(this.#open.inputs, sizes);
    try {
      if (this.#trial === undefined) await this.#memo.infer(this.#model, inputs);
      else await this.#trial.session.run(feedsAt(inputs, this.#trial.feeds));
      return true;
    } catch (error) {
      if (!(error instanceof UserError) || !error.code.startsWith("model/runtime")) throw error;
      this.#error = error;
      return false;
    }
  }

  /** The sizes that the sample gives to symbols. */
  #sampleSizes(): Map<string, number> {
    const sizes = new Map<string, number>();
    for (const { name, type } of this.#open.inputs) {
      const dims = this.#trial?.feeds[name]?.dims;
      const shape = type?.kind === "tensor" ? type.shape : undefined;
      if (dims?.length !== shape?.length) continue;
      shape?.forEach((dim, axis) => {
        if (typeof dim === "string" && !sizes.has(dim)) sizes.set(dim, Math.max(1, dims?.[axis] ?? 1));
      });
    }
    return sizes;
  }

  #noSize(known: Sizes): Error {
    const open = this.#open.inputs.filter(
      ({ name, type }) => type?.kind === "tensor" && staticShape(this.#model.graph, name) === undefined,
    );
    const example = open.map(({ name, type }) => {
      const shape = type?.kind === "tensor" ? (type.shape ?? []) : [];
      return `--input-shape ${name}=${shape.map((dim, axis) => (typeof dim === "number" ? dim : (known.get(dim ?? "") ?? (axis === 0 ? 1 : 224)))).join(",")}`;
    });
    return modelError(
      "open-shape",
      `The model has open dimensions (${this.#open.symbols.join(", ")}) and runs at none of the sizes that were tried: ${this.#error.message}`,
      open.map(({ name }) => `input "${name}"`).join(", "),
      `Give sizes at which it runs, for example ${example.join(" ")}.`,
    );
  }
}

/** Sizes near `size`: first odd ones, which show whether a dimension is halved and doubled again, then multiples. */
function otherSizes(size: number): number[] {
  const near = size % 2 === 0 ? [size + 3, size - 1] : [size + 2, size - 2];
  return [...near, size + 32, size - 32, size * 2, size / 2].filter(
    (other) => other > 0 && Number.isInteger(other),
  );
}

/** A sample's feeds with the sizes of `inputs`. */
function feedsAt(inputs: readonly Value[], sample: SampleFeeds): Record<string, Tensor> {
  return Object.fromEntries(
    inputs.flatMap(({ name, type }) => {
      const given = Object.hasOwn(sample, name) ? sample[name] : undefined;
      if (given === undefined || type?.kind !== "tensor") return [];
      return [[name, resizeFeed(given, bindOpen(type.shape ?? [], 1))]];
    }),
  );
}
