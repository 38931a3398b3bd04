import { differentiateAbstract } from "../../autodiff/differentiate.ts";
import { contribOpsets, createModel, createValue, reachableNodes } from "../../ir/graph.ts";
import type { Graph, Model, Value } from "../../ir/model.ts";
import { explainFloatLayers, type FloatLayer } from "../../lowering/integer/float-layers.ts";
import { type Algorithms, guessedAlgorithms, questionKey } from "../../lowering/algorithms.ts";
import { codesPay } from "../../lowering/integer/codes-pay.ts";
import { gatherCodes } from "../../lowering/integer/gather-codes.ts";
import { withAmax } from "../../lowering/integer/gradient-amax.ts";
import { lowerIntegerBackward } from "../../lowering/integer/integer-backward.ts";
import {
  type ForwardForBackward,
  lowerIntegerForward,
  planIntegerForward,
  saveActivations,
} from "../../lowering/integer/integer-forward.ts";
import { planIntegerBackward, withoutShortcuts } from "../../lowering/integer/plan-backward.ts";
import { lowerQuantizerGradients } from "../../lowering/quantizer-grad.ts";
import { lowerGradientNodes } from "../../lowering/lower-gradient-nodes.ts";
import type { AllowedOperators } from "../../lowering/lowering.ts";
import { orderNodes } from "../../lowering/order-nodes.ts";
import { dropUnused, dropUnusedInputs } from "../../passes/remove-unused.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { weightNames } from "../../ir/derived-names.ts";
import type { Arithmetic, Candidates, OpenArithmetic, StepArithmetic } from "../arithmetic/arithmetic.ts";
import { snappedBiases, zeroPointsOf } from "./forward-model.ts";
import { differentiatedInputs, gradientOutputs } from "./gradient-outputs.ts";
import type { TrainingLayout } from "./lay-out-training.ts";
import { tieScaleGradients } from "./tie-scale-gradients.ts";
import { type SnappedBias, snapGraphBiases, openZeroPoints } from "./open-parameters.ts";

/** Finds the algorithms in which the abstract gradient nodes of a graph are computed fastest. */
export type AlgorithmTrials = (abstract: Graph, target: TrialTarget) => Promise<Algorithms>;

/** What gradients are lowered for. */
export interface TrialTarget extends AllowedOperators {
  opset: number;
}

/** What runs of a training graph found. */
export interface Measured {
  /** Of outputs that are scalars, the mean over the batches. */
  means: ReadonlyMap<string, number>;
  /** All outputs on the first batch. */
  first: Readonly<Record<string, Tensor>>;
}

const nothingMeasured: Measured = { means: new Map(), first: {} };

/**
 * Training graphs of the same gradients in several arithmetics, the most exact one first, and the index of the one that
 * is taken unless another is clearly faster.
 */
export interface Race {
  models: readonly Model[];
  likely: number;
}

/** Runs of training graphs on samples, by which a graph is completed or chosen. */
export interface TrainingTrials {
  /** Runs a graph on some samples; see measure-gradients.ts. */
  measure: (model: Model) => Promise<Measured>;
  /** Whether a graph's gradients on the first batch have the direction of the given ones. Default: true. */
  agrees?: (model: Model, exact: Measured["first"]) => Promise<boolean>;
  /** Index of the graph to take: the likely one, unless another is clearly faster. */
  choose?: (race: Race) => Promise<number>;
}

/** An integer backward needs `trials`, which also choose among several arithmetics. */
export interface TrainingModelOptions extends AllowedOperators, OpenArithmetic {
  tune: AlgorithmTrials | undefined;
  trials: TrainingTrials | undefined;
}

const allowedBy = ({ portable, nchwc = false }: AllowedOperators): AllowedOperators => ({
  portable,
  nchwc: nchwc && !portable,
});

/** A training graph, and what its parts are computed with. */
export interface BuiltTraining extends StepArithmetic {
  model: Model;
  /** Quantized layers without an integer kernel, which an integer forward computes in float. */
  floatLayers: readonly FloatLayer[];
  /** Algorithms of gradients that are not the guessed ones, by question: what trials found clearly faster. */
  algorithmsByTrial: Record<string, string>;
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
  readonly #biases: readonly SnappedBias[];
  readonly #abstract: Graph;

  /** `graph`: the forward in float with everything that trains as an input. */
  constructor(forward: Arithmetic, graph: Graph, opset: number, sources: Sources) {
    this.#forward = forward;
    this.#graph = graph;
    this.#opset = opset;
    this.#sources = sources;
    const places = forward === "integer" ? planIntegerForward(graph, sources.options) : undefined;
    this.#integer = places && saveActivations(graph, places);
    const layers = new Set([...sources.layout.whole.weights.values()].flatMap(({ nodes }) => nodes));
    this.#floatLayers = places === undefined ? [] : explainFloatLayers(graph, places, layers);
    const onKernel = (node: string): boolean => this.#integer?.places.has(node) === true;
    this.#biases = snappedBiases(graph, sources.layout.whole, onKernel);
    this.#abstract = this.#differentiate();
  }

  /**
   * Builds the graph with each of the backwards, the likely one first. Where both are given, that is the integer one if
   * it is estimated to be faster and its gradients have the direction of the exact ones, else the float one. Where only
   * an integer one is given and no data gradient can be computed from codes, the float one takes its place.
   */
  async *withBackwards(backwards: Candidates): AsyncGenerator<BuiltTraining> {
    const open = backwards.length > 1;
    const likely = backwards.includes("integer") ? await this.#inCodes(open) : undefined;
    yield likely ?? (await this.#inFloat());
    if (!open) return;
    const other = likely === undefined ? await this.#inCodes(false) : await this.#inFloat();
    if (other !== undefined) yield other;
  }

  #inFloat(): Promise<BuiltTraining> {
    return this.#complete(this.#abstract, "float");
  }

  /**
   * The forward and its backward in abstract gradient nodes, those of fake quantizers lowered already; without nodes that
   * neither the loss nor a gradient needs.
   */
  #differentiate(): Graph {
    const { trained, parameters } = this.#sources.layout;
    const forward = this.#integer?.graph ?? this.#graph;
    const { graph } = differentiateAbstract(forward, {
      loss: "loss",
      parameters: differentiatedInputs(trained, parameters),
      weights: Array.from(trained.weights.keys(), weightNames),
      opset: this.#opset,
    });
    const lowered = lowerQuantizerGradients(graph, forward, this.#integer?.saved);
    return this.#pruned(lowered);
  }

  /** The nodes that the loss and its gradients are computed by. */
  #pruned(graph: Graph): Graph {
    const { trained, parameters } = this.#sources.layout;
    const gradients = gradientOutputs(trained, parameters).map(({ name }) => name);
    return { ...graph, nodes: reachableNodes(graph, ["loss", ...gradients]).nodes };
  }

  #lower(abstract: Graph, algorithms: Algorithms, outputs: readonly Value[]): Model {
    const { layout, options } = this.#sources;
    let graph = lowerGradientNodes(abstract, { ...allowedBy(options), algorithms });
    if (this.#integer !== undefined) graph = lowerIntegerForward(graph, this.#integer.places);
    gatherCodes(graph);
    openZeroPoints(graph, zeroPointsOf(layout.trained));
    snapGraphBiases(graph, this.#biases);
    tieScaleGradients(graph, layout.trained);
    graph.outputs = [...outputs];
    const model = dropUnused(createModel(graph, this.#opset, contribOpsets(graph)));
    return { ...model, graph: orderNodes(model.graph, "loss") };
  }

  async #complete(abstract: Graph, backward: Arithmetic): Promise<BuiltTraining> {
    const { layout, options } = this.#sources;
    const { trained, parameters } = layout;
    const target = { opset: this.#opset, ...allowedBy(options) };
    const algorithms = (await options.tune?.(abstract, target)) ?? guessedAlgorithms;
    const algorithmsByTrial: Record<string, string> = {};
    const recorded: Algorithms = {
      answer: (question) => {
        const algorithm = algorithms.answer(question);
        if (algorithm !== question.guess) algorithmsByTrial[questionKey(question)] = algorithm;
        return algorithm;
      },
    };
    const outputs = [createValue("loss", "float32", []), ...gradientOutputs(trained, parameters)];
    const model = this.#lower(abstract, recorded, outputs);
    const floatLayers = this.#floatLayers;
    return { model, forward: this.#forward, backward, floatLayers, algorithmsByTrial };
  }

  /**
   * The graph with data gradients as 8-bit codes, whose scales come from the largest absolute values measured on some
   * samples. Undefined where no gradient can be computed from codes, or a measured one was zero or not finite.
   * `ifBetter`: undefined as well where codes are estimated to be slower, or the gradients lose the direction of the
   * exact ones.
   */
  async #inCodes(ifBetter: boolean): Promise<BuiltTraining | undefined> {
    const { layout, options } = this.#sources;
    const { trained, parameters } = layout;
    const { trials } = options;
    const exact = this.#pruned(withoutShortcuts(this.#abstract, planIntegerBackward(this.#abstract)));
    const plan = planIntegerBackward(exact);
    if ((plan.coded.size === 0 && plan.products.size === 0) || trials === undefined) return undefined;
    if (ifBetter && !codesPay(exact, plan)) return undefined;
    const probe = withAmax(exact, plan);
    const compared = ifBetter && trials.agrees !== undefined ? gradientOutputs(trained, parameters) : [];
    const wanted = [...probe.outputs, ...compared];
    const model = this.#lower(probe, guessedAlgorithms, wanted);
    // Data gradients of linear layers get their scales anew in every run (one per token): nothing is measured for those.
    const { means, first } =
      wanted.length === 0 ? nothingMeasured : await trials.measure(dropUnusedInputs(model));
    const amax = new Map(probe.outputs.map(({ name }) => [name, means.get(name) ?? NaN]));
    // Without a positive, finite maximum there is no scale.
    if (![...amax.values()].every((value) => Number.isFinite(value) && value > 0)) return undefined;
    const integerForward = this.#integer !== undefined;
    const built = await this.#complete(
      lowerIntegerBackward(exact, plan, { amax, integerForward }),
      "integer",
    );
    const agrees = compared.length === 0 || (await trials.agrees?.(built.model, first));
    return agrees === false ? undefined : built;
  }
}
