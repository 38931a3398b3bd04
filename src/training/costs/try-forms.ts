import { createGraph, createModel, createValue } from "../../ir/graph.ts";
import type { Graph, Model, Node } from "../../ir/model.ts";
import { type Forms, knownForms, type Question, questionKey } from "../../lowering/forms.ts";
import { lowerGradientNodes } from "../../lowering/lower-gradient-nodes.ts";
import { gradientDomain, windowProblemOf } from "../../ops/gradient-nodes.ts";
import { openSession } from "../../runtime/open-model.ts";
import type { Session, SessionOptions } from "../../runtime/session.ts";
import type { DataType } from "../../tensor/data-type.ts";
import { elementCount, ints, type Tensor, tensorOf } from "../../tensor/tensor.ts";

export interface TrialOptions {
  opset: number;
  portable: boolean;
  /** Share of a weight's rows that train in the trials. */
  ratio: number;
  session: SessionOptions;
  signal?: AbortSignal | undefined;
}

const rounds = 5;
/** Floats that are written before each run, so that it finds its operands in memory, as within a step, and not in a cache. */
const flushedFloats = 2 ** 24;
const mostVariants = 8;
/** An alternative has to be this much faster than what the cost model guesses: times of a busy machine vary. */
const clearlyFaster = 0.9;

/**
 * Lowers every kind of convolution gradient in `abstract` in each of its forms, times them in turn on the machine, and
 * adds the forms of the fastest to `table` where they are not the guess. What the table knows is not tried again.
 */
export async function tryForms(
  abstract: Graph,
  table: Map<string, string>,
  options: TrialOptions,
): Promise<void> {
  const seen = new Set<string>();
  const flushed = new Float32Array(flushedFloats);
  for (const node of abstract.nodes) {
    if (node.domain !== gradientDomain || !Object.hasOwn(inputsOf, node.opType)) continue;
    const kind = JSON.stringify([node.opType, node.inputs.length, windowProblemOf(node)]);
    if (seen.has(kind)) continue;
    seen.add(kind);
    options.signal?.throwIfAborted();
    await tryNode(node, table, flushed, options);
  }
}

type Assignment = ReadonlyMap<string, string>;

async function tryNode(
  node: Node,
  table: Map<string, string>,
  flushed: Float32Array,
  options: TrialOptions,
): Promise<void> {
  const variants = variantsOf(node, options);
  const [guess] = variants;
  if (guess === undefined || variants.length < 2) return;
  if ([...guess.assignment.keys()].every((key) => table.has(key))) return;
  const times = await race(
    variants.map(({ model }) => model),
    feedsOf(node, options.ratio),
    flushed,
    options,
  );
  const limit = (times[0] as number) * clearlyFaster;
  const fastest = times.reduce((best, time, index) => (time < (times[best] as number) ? index : best), 0);
  const chosen = variants[(times[fastest] as number) < limit ? fastest : 0];
  for (const [key, form] of chosen?.assignment ?? []) table.set(key, form);
  for (const [key, form] of guess.assignment) if (!table.has(key)) table.set(key, form);
}

interface Variant {
  assignment: Assignment;
  model: Model;
}

/** The node lowered in every combination of forms that it can be asked for, the guessed one first. */
function variantsOf(node: Node, options: TrialOptions): Variant[] {
  const variants: Variant[] = [];
  const queue: Assignment[] = [new Map()];
  const known = new Set<string>();
  for (let forced = queue.shift(); forced !== undefined; forced = queue.shift()) {
    const asked: { question: Question; form: string }[] = [];
    const answers = knownForms(forced);
    const recorder: Forms = {
      answer: (question) => {
        const form = answers.answer(question);
        asked.push({ question, form });
        return form;
      },
    };
    const model = modelOf(node, recorder, options);
    const assignment = new Map(asked.map(({ question, form }) => [questionKey(question), form]));
    const name = JSON.stringify([...assignment]);
    if (known.has(name)) continue;
    known.add(name);
    variants.push({ assignment, model });
    if (variants.length === mostVariants) break;
    for (const { question, form } of asked)
      for (const other of question.forms)
        if (other !== form && !forced.has(questionKey(question)))
          queue.push(new Map([...forced, [questionKey(question), other]]));
  }
  return variants;
}

/** A model of the node alone; its output is summed, so that little has to be carried out. */
function modelOf(node: Node, forms: Forms, { opset, portable }: TrialOptions): Model {
  const graph = createGraph("trial");
  const types = inputsOf[node.opType as Tried](node);
  graph.inputs = types.map(({ dtype, shape }, index) =>
    createValue(node.inputs[index] as string, dtype, shape),
  );
  graph.nodes = [
    node,
    {
      ...{ name: "sum", opType: "ReduceSum", domain: "", overload: "", inputs: [node.outputs[0] as string] },
      ...{ outputs: ["trial.sum"], attributes: new Map(), docString: "", metadata: new Map() },
    },
  ];
  graph.outputs = [createValue("trial.sum", "float32", undefined)];
  const lowered = lowerGradientNodes(graph, { portable, forms });
  return createModel(lowered.graph, opset, lowered.usesContribOps ? [["com.microsoft", 1]] : []);
}

/** Shortest milliseconds of each model, run in turn. */
async function race(
  models: readonly Model[],
  feeds: Record<string, Tensor>,
  flushed: Float32Array,
  options: TrialOptions,
): Promise<number[]> {
  const sessions: Session[] = [];
  try {
    for (const model of models) sessions.push(await openSession(model, options.session));
    const times = models.map(() => Infinity);
    for (let round = 0; round <= rounds; round++) {
      for (const [index, session] of sessions.entries()) {
        const used = Object.fromEntries(session.inputs.map(({ name }) => [name, feeds[name] as Tensor]));
        flushed.fill(round);
        const start = performance.now();
        await session.run(used);
        if (round > 0) times[index] = Math.min(times[index] as number, performance.now() - start);
      }
    }
    return times;
  } finally {
    for (const session of sessions) await session.release();
  }
}

interface TrialInput {
  dtype: DataType;
  shape: (number | string)[];
}

const weightShape = (node: Node): number[] => {
  const { x, y, kernel, group } = windowProblemOf(node);
  return [y[1] as number, (x[1] as number) / group, ...kernel];
};

/** Inputs of the abstract nodes that have several forms. */
const inputsOf = {
  ConvDataGrad: (node: Node): TrialInput[] => [
    { dtype: "float32", shape: windowProblemOf(node).y },
    { dtype: "float32", shape: weightShape(node) },
    ...(node.inputs.length > 2
      ? [
          { dtype: "int8" as const, shape: weightShape(node) },
          { dtype: "float32" as const, shape: [weightShape(node)[0] as number] },
        ]
      : []),
  ],
  ConvWeightGrad: (node: Node): TrialInput[] => [
    { dtype: "float32", shape: windowProblemOf(node).x },
    { dtype: "float32", shape: windowProblemOf(node).y },
    ...(node.inputs.length > 2 ? [{ dtype: "int64" as const, shape: ["rows"] }] : []),
  ],
} satisfies Record<string, (node: Node) => TrialInput[]>;
type Tried = keyof typeof inputsOf;

/** Constant values of every input, which the kernels take as long for as for any others. */
function feedsOf(node: Node, ratio: number): Record<string, Tensor> {
  const types = inputsOf[node.opType as Tried](node);
  return Object.fromEntries(
    types.map(({ dtype, shape }, index) => [
      node.inputs[index] as string,
      valuesOf(node, dtype, shape, ratio),
    ]),
  );
}

function valuesOf(node: Node, dtype: DataType, shape: readonly (number | string)[], ratio: number): Tensor {
  if (dtype === "int64") {
    const rows = Math.max(1, Math.round(ratio * (weightShape(node)[0] as number)));
    return ints(Array.from({ length: rows }, (_, row) => row));
  }
  const dims = shape.map(Number);
  if (dtype === "int8") return tensorOf("int8", dims, new Int8Array(elementCount(dims)).fill(3));
  return tensorOf("float32", dims, new Float32Array(elementCount(dims)).fill(0.5));
}
