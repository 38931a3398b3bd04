import type { Batch } from "../data/dataset.ts";
import { feedsOf } from "../data/feeds.ts";
import type { Model } from "../ir/model.ts";
import { withSession } from "../runtime/open-model.ts";
import type { RuntimeOptions, Session } from "../runtime/session.ts";
import { type Tensor, tensorOf, viewAs } from "../tensor/tensor.ts";
import type { Cut } from "./cut-layers.ts";
import { selectOutputs } from "./reference-model.ts";
import { type ActivationStudy, ActivationTally } from "./study-values.ts";

/** Elements of activations after which no further batch is studied: their statistics hardly change any more. */
const enoughElements = 2 ** 24;

/** The quantized values of a deployed model against the float model. */
export interface LayerStudy {
  samples: number;
  activations: ActivationStudy[];
}

/** Adds up over batches what the values at some cuts are in the float model and in the quantized one. */
export class LayerStudent {
  readonly #float: Session;
  readonly #cuts: readonly Cut[];
  readonly #tallies: readonly ActivationTally[];
  #elements = 0;
  #samples = 0;

  constructor(float: Session, cuts: readonly Cut[]) {
    this.#float = float;
    this.#cuts = cuts;
    this.#tallies = cuts.map(({ activation }) => new ActivationTally(activation));
  }

  /**
   * One batch. `encode`: codes of a value at a cut; `compute`: the codes that the layers make of codes at all cuts;
   * `quantized`: the values at the cuts where everything is quantized.
   */
  async add(
    batch: Batch,
    where: string,
    encode: (values: Tensor, cut: Cut) => Tensor,
    compute: (codes: readonly Tensor[]) => Promise<readonly Tensor[]>,
    quantized: readonly Tensor[],
  ): Promise<void> {
    if (this.#elements > enoughElements) return;
    const feeds = feedsOf(this.#float.inputs, batch, where);
    const values = { ...feeds, ...(await this.#float.run(feeds)) };
    const expected = this.#cuts.map(({ tensor }, i) => {
      const value = values[tensor] as Tensor;
      const kept = (this.#tallies[i] as ActivationTally).expected(viewAs(value, "float32"));
      return tensorOf("float32", value.dims, kept);
    });
    const codes = await compute(this.#cuts.map((cut, i) => encode(expected[i] as Tensor, cut)));
    for (const [i, { dtype }] of this.#cuts.entries()) {
      const floats = viewAs(expected[i] as Tensor, "float32");
      const all = viewAs(quantized[i] as Tensor, "float32");
      this.#tallies[i]?.add(floats, viewAs(codes[i] as Tensor, dtype), all);
      this.#elements += floats.length;
    }
    this.#samples += batch.size;
  }

  finish(): LayerStudy {
    const activations = this.#cuts.map(({ tensor }, i) =>
      (this.#tallies[i] as ActivationTally).finish(tensor),
    );
    return { samples: this.#samples, activations };
  }
}

/** Runs `work` with a student of the prepared float model `float`, if there is one. */
export function withStudent<T>(
  float: Model | undefined,
  cuts: readonly Cut[],
  options: RuntimeOptions,
  work: (student: LayerStudent | undefined) => Promise<T>,
): Promise<T> {
  if (float === undefined || cuts.length === 0) return work(undefined);
  const inputs = new Set(float.graph.inputs.map(({ name }) => name));
  const names = [...new Set(cuts.map(({ tensor }) => tensor))].filter((name) => !inputs.has(name));
  if (names.length === 0) return work(undefined);
  const observed = selectOutputs(float, names);
  return withSession(observed, options, (session) => work(new LayerStudent(session, cuts)));
}
