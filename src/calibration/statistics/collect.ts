import { batches } from "../../data/batches.ts";
import type { Dataset } from "../../data/dataset.ts";
import { feedsOf } from "../../data/feeds.ts";
import { limitSamples } from "../../data/subset.ts";
import { cloneModel } from "../../ir/clone.ts";
import { Emitter } from "../../ir/emit.ts";
import { createValue } from "../../ir/graph.ts";
import type { Graph, Model } from "../../ir/model.ts";
import { bindOpen, shapeOf } from "../../ir/value-types.ts";
import { silentLogger } from "../../log.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import { weightPortOf } from "../../ops/catalogue/ports.ts";
import { withSession } from "../../runtime/open-model.ts";
import { elementCount, type Tensor, viewAs } from "../../tensor/tensor.ts";
import { searchSamples } from "../observers/mean-squared-error.ts";
import { minMax } from "../observers/min-max.ts";
import { movingAverage } from "../observers/moving-average.ts";
import { andThen, type CalibratedRange, type ObserverStage } from "../observers/observer.ts";
import { layerPaths, type LayerPath } from "../observers/follow-value.ts";
import { lookAtBulk, spanOf, tryLayer } from "../observers/spoilt.ts";
import { floatValues } from "../observed-graph.ts";
import { planBatches, runStages, type StageOptions } from "../run-stages.ts";
import { countValues, createHistogram } from "./histogram.ts";
import type { SeenValue, ValueStatistics } from "./statistics.ts";

/** What is gathered of a value before its histogram. */
type Gathered = Omit<SeenValue, "name" | "shape" | "kind" | "histogram">;

/** Statistics of all float values of a prepared model over the samples of the data, of which up to 128 are counted. */
export async function collectStatistics(
  model: Model,
  samples: Dataset,
  options: StageOptions,
): Promise<ValueStatistics[]> {
  const { graph } = model;
  const names = floatValues(graph);
  const layers = layersOf(graph);
  const gathered = new Map(names.map((name) => [name, startGathering()]));
  const stages = new Map(
    Array.from(gathered, ([name, record]) => [name, gather(record, name, layers.get(name))]),
  );
  const how: StageOptions = { ...options, bySample: true, toleratesNaN: true };
  const ranges = await runStages(model, stages, samples, how);
  const seen = new Map<string, SeenValue>();
  const values = names.map((name): ValueStatistics => {
    const shape = shapeOf(graph, name)?.map((dim) => dim ?? null) ?? null;
    const range = ranges.get(name) as CalibratedRange;
    const unfit = describeUnfit({ name, shape }, range);
    if (unfit !== undefined) return unfit;
    const record = gathered.get(name) as Gathered;
    const value: SeenValue = { name, shape, kind: "seen", ...record, histogram: createHistogram(record) };
    seen.set(name, value);
    return value;
  });
  await countAll(model, seen, samples, how);
  return values;
}

function describeUnfit(
  named: Pick<SeenValue, "name" | "shape">,
  { spoilt }: CalibratedRange,
): ValueStatistics | undefined {
  if (spoilt === undefined) return undefined;
  if ("infiniteOn" in spoilt) return { ...named, kind: "infinite", sample: spoilt.infiniteOn };
  if ("nanOn" in spoilt) return { ...named, kind: "nan", sample: spoilt.nanOn };
  return "unseen" in spoilt ? { ...named, kind: "unseen" } : undefined;
}

const startGathering = (): Gathered => ({ samples: 0, min: 0, max: 0, first: [0, 0], average: [0, 0] });

/** Extremes and their average, and then whether 8 bits over the whole range are of use, to a layer too. */
function gather(record: Gathered, value: string, layer: LayerPath | undefined): ObserverStage {
  const [extremes, average] = [minMax(), movingAverage()];
  const first: ObserverStage = {
    ...extremes,
    add(statistics) {
      const [min = 0, max = 0] = statistics;
      if (record.samples++ === 0) record.first = [min, max];
      extremes.add(statistics);
      average.add(statistics);
    },
    finish() {
      const [whole, mean] = [rangeOf(extremes), rangeOf(average)];
      [record.min, record.max] = [whole.min, whole.max];
      record.average = [mean.min, mean.max];
      return { range: whole };
    },
  };
  return andThen(first, (range) => {
    record.bulk = null;
    if (spanOf(range) === 0) return { range };
    const looked = andThen(lookAtBulk(range), ({ spoilt }) => {
      if (spoilt !== undefined && "lost" in spoilt) record.bulk = spoilt;
      return layer === undefined ? { range } : { next: tried(tryLayer(range, value, layer)) };
    });
    const tried = (stage: ObserverStage): ObserverStage =>
      andThen(stage, ({ spoilt }) => {
        if (spoilt !== undefined && "off" in spoilt) record.layer = spoilt;
        return { range };
      });
    return { next: looked };
  });
}

function rangeOf(stage: ObserverStage): CalibratedRange {
  const outcome = stage.finish();
  return "range" in outcome ? outcome.range : { min: 0, max: 0 };
}

/** Ways to layers of constant weights from the values that they alone read, which some plan may quantize. */
const layersOf = (graph: Graph): Map<string, LayerPath> =>
  layerPaths(graph, (node, value) => {
    const port = rowOf(node)?.kind === "product" ? weightPortOf(node) : undefined;
    return graph.initializers.has(node.inputs[port?.weight ?? -1] ?? "") && node.inputs[0] === value;
  });

/** Elements of values that one run hands over at most, as far as shapes tell. */
const elementsAtOnce = 2 ** 24;

async function countAll(
  model: Model,
  values: ReadonlyMap<string, SeenValue>,
  dataset: Dataset,
  options: StageOptions,
): Promise<void> {
  const { logger = silentLogger, provider, threads, signal } = options;
  const plan = planBatches(model, dataset, [...values.keys()], options);
  const samples = limitSamples(dataset, Math.max(searchSamples, plan.dropLast ? plan.batch : 1));
  const groups = groupValues(model.graph, [...values.keys()]);
  for (const [pass, { names, elements }] of groups.entries()) {
    const most = Math.max(1, Math.floor(elementsAtOnce / Math.max(1, elements)));
    const batch = plan.dropLast ? plan.batch : Math.min(plan.batch, most);
    const { model: fetching, outputs } = fetchValues(model, names);
    await withSession(fetching, { provider, threads, arena: false }, async (session) => {
      let done = 0;
      for await (const part of batches(samples, { batch, dropLast: plan.dropLast })) {
        signal?.throwIfAborted();
        const results = await session.run(feedsOf(session.inputs, part, samples.name));
        for (const [i, name] of names.entries()) {
          const { histogram } = values.get(name) as SeenValue;
          countValues(histogram, viewAs(results[outputs[i] as string] as Tensor, "float32"));
        }
        done += part.size;
        logger.progress(`counting values, part ${pass + 1} of ${groups.length}`, done, samples.length);
      }
    });
  }
}

/** Values in parts that one run can hand over, with the elements that one sample has of them. */
function groupValues(graph: Graph, names: readonly string[]): { names: string[]; elements: number }[] {
  const groups: { names: string[]; elements: number }[] = [];
  for (const name of names) {
    const elements = elementCount(bindOpen(shapeOf(graph, name) ?? [], 1));
    const last = groups.at(-1);
    if (last === undefined || last.elements + elements > elementsAtOnce)
      groups.push({ names: [name], elements });
    else {
      last.names.push(name);
      last.elements += elements;
    }
  }
  return groups;
}

/** The model with copies of the named values as its outputs. */
function fetchValues(model: Model, names: readonly string[]): { model: Model; outputs: string[] } {
  const fetching = cloneModel(model);
  const emit = new Emitter(fetching.graph);
  emit.prefix = "efqat/count";
  const outputs = names.map((name) => emit.op("Identity", [name]));
  fetching.graph.outputs = outputs.map((name) => createValue(name, "float32", undefined));
  return { model: fetching, outputs };
}
