import type { Dataset } from "../../data/dataset.ts";
import type { Model } from "../../ir/model.ts";

/** What metrics are opened for. */
export interface MetricSubject {
  model: Pick<Model, "graph" | "opsets">;
  /** The output that results are judged by. */
  judged: string;
  dataset: Pick<Dataset, "hasLabels" | "targets" | "name">;
  /** File with the characters of classes, one a line. */
  characters?: string | undefined;
  /** There is no float model to compare with. */
  alone?: boolean | undefined;
}
