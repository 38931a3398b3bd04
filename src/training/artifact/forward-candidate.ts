import { differentiateAbstract } from "../../autodiff/differentiate.ts";
import { contribOpsets, createModel, createValue } from "../../ir/graph.ts";
import type { Graph, Model, Value } from "../../ir/model.ts";
import { type Forms, guessedForms } from "../../lowering/forms.ts";
import { explainFloatLayers, type FloatLayer } from "../../lowering/integer/float-layers.ts";
import { withReaches } from "../../lowering/integer/gradient-reaches.ts";
import { lowerIntegerBackward } from "../../lowering/integer/integer-backward.ts";
import {
  type ForwardForBackward,
  lowerIntegerForward,
  planIntegerForward,
  standInsFor,
} from "../../lowering/integer/integer-forward.ts";
import { isCodedIn, planIntegerBackward } from "../../lowering/integer/plan-backward.ts";
import { lowerGradientNodes } from "../../lowering/lower-gradient-nodes.ts";
import type { AllowedOperators } from "../../lowering/lowering.ts";
import { orderNodes } from "../../lowering/order-nodes.ts";
import { dropUnused, dropUnusedInputs } from "../../passes/remove-unused.ts";
import { weightNames } from "../names.ts";
import { heldBiases, zeroPointsOf } from "./forward-model.ts";
import { differentiatedInputs, gradientOutputs } from "./gradient-outputs.ts";
import type { TrainingLayout } from "./lay-out-training.ts";
import { type HeldBias, holdBiases, openZeroPoints } from "./open-parameters.ts";

/** Finds the forms in which the abstract gradient nodes of a graph are computed fastest. */
export type FormTrials = (abstract: Graph, target: TrialTarget) => Promise<Forms>;

/** What gradients are lowered for. */
export interface TrialTarget extends AllowedOperators {
  opset: number;
}

/** What a part of a step is computed with: float operators, or integer kernels on codes. */
export type Arithmetic = "float" | "integer";

/** Runs of training graphs on samples, on which the making of one may depend. */
export interface TrainingTrials {
  /** Runs a graph whose outputs are scalars on some samples and returns the mean of each of them. */
  measure: (model: Model) => Promise<ReadonlyMap<string, number>>;
  /** Picks one of several graphs of the same gradients, by index. The first is the most exact. */
  choose?: (models: readonly Model[]) => Promise<number>;
}

export interface TrainingModelOptions extends AllowedOperators {
  /** auto: what `trials` choose; integer where they cannot. */
  forward: Arithmetic | "auto";
  /** What data gradients of convolutions are computed with. Anything but float needs `trials`. */
  backward: Arithmetic | "auto";
  tune: FormTrials | undefined;
  trials: TrainingTrials | undefined;
}

const allowedBy = ({ portable, nchwc = false }: AllowedOperators): AllowedOperators => ({
  portable,
  nchwc: nchwc && !portable,
});

/** A training graph, and what its parts are computed with. */
export interface BuiltTraining {
  model: Model;
  forward: Arithmetic;
  backward: Arithmetic;
  /** Quantized layers that an integer forward computes in float all the same. */
  floatLayers: readonly FloatLayer[];
}

interface Sources {
  layout: TrainingLayout;
  options: TrainingModelOptions;
}

/** Training graphs with one forward and each of several backwards. */
export class ForwardCandidate {
  readonly #forward: Arithmetic;
  readonly #graph: Graph;
  readonly #opset: number;
  readonly #sources: Sources;
  readonly #integer: ForwardForBackward | undefined;
  readonly #floatLayers: readonly FloatLayer[];
  readonly #biases: readonly HeldBias[];

  /** `graph`: the forward in float with everything that trains as an input. */
  constructor(forward: Arithmetic, graph: Graph, opset: number, sources: Sources) {
    this.#forward = forward;
    this.#graph = graph;
    this.#opset = opset;
    this.#sources = sources;
    const places = forward === "integer" ? planIntegerForward(graph, sources.options) : undefined;
    this.#integer = places && standInsFor(graph, places);
    const layers = new Set([...sources.layout.whole.weights.values()].flatMap(({ nodes }) => nodes));
    this.#floatLayers = places === undefined ? [] : explainFloatLayers(graph, places, layers);
    const onKernel = (node: string): boolean => this.#integer?.places.has(node) === true;
    this.#biases = heldBiases(graph, sources.layout.whole, onKernel);
  }

  /** The graph with every backward asked for; the float one where nothing can be held in codes. */
  async withBackwards(backwards: readonly Arithmetic[]): Promise<BuiltTraining[]> {
    const coded = backwards.includes("integer") ? await this.#inCodes() : undefined;
    if (coded !== undefined && !backwards.includes("float")) return [coded];
    const float = await this.#complete(this.#differentiate(false), "float");
    return coded === undefined ? [float] : [float, coded];
  }

  #differentiate(coded: boolean): Graph {
    const { trained, parameters } = this.#sources.layout;
    const integer = this.#integer;
    return differentiateAbstract(integer?.graph ?? this.#graph, {
      loss: "loss",
      parameters: differentiatedInputs(trained, parameters),
      weights: Array.from(trained.weights.keys(), weightNames),
      opset: this.#opset,
      ...(integer === undefined ? {} : { stands: integer.stands }),
      ...(coded ? { coded: isCodedIn } : {}),
    }).graph;
  }

  #lower(abstract: Graph, forms: Forms, outputs: readonly Value[]): Model {
    const { layout, options } = this.#sources;
    let graph = lowerGradientNodes(abstract, { ...allowedBy(options), forms });
    if (this.#integer !== undefined) graph = lowerIntegerForward(graph, this.#integer.places);
    openZeroPoints(graph, zeroPointsOf(layout.trained));
    holdBiases(graph, this.#biases);
    graph.outputs = [...outputs];
    const model = dropUnused(createModel(graph, this.#opset, contribOpsets(graph)));
    return { ...model, graph: orderNodes(model.graph, "loss") };
  }

  async #complete(abstract: Graph, backward: Arithmetic): Promise<BuiltTraining> {
    const { layout, options } = this.#sources;
    const { trained, parameters } = layout;
    const target = { opset: this.#opset, ...allowedBy(options) };
    const forms = (await options.tune?.(abstract, target)) ?? guessedForms;
    const outputs = [createValue("loss", "float32", []), ...gradientOutputs(trained, parameters)];
    const model = this.#lower(abstract, forms, outputs);
    return { model, forward: this.#forward, backward, floatLayers: this.#floatLayers };
  }

  /** With data gradients in codes, as wide as they are on some samples; undefined where that says nothing. */
  async #inCodes(): Promise<BuiltTraining | undefined> {
    const { trials } = this.#sources.options;
    const exact = this.#differentiate(true);
    const plan = planIntegerBackward(exact);
    if (plan.coded.size === 0 || trials === undefined) return undefined;
    const probe = withReaches(exact, plan);
    const model = this.#lower(probe, guessedForms, probe.outputs);
    const reaches = await trials.measure(dropUnusedInputs(model));
    // A gradient that was zero, or no number, on every sample says nothing of the codes it needs.
    if (![...reaches.values()].every((reach) => Number.isFinite(reach) && reach > 0)) return undefined;
    const integerForward = this.#integer !== undefined;
    return this.#complete(lowerIntegerBackward(exact, plan, { reaches, integerForward }), "integer");
  }
}
