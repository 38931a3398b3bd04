import { dataTypes, type DataType } from "../tensor/data-type.ts";
import type { Value } from "./model.ts";

const key = "efqat.source_type";

/** The element type that a graph input or output has in the model as it came, where that is another than it has now. */
export function sourceTypeOf({ metadata }: Value): DataType | undefined {
  const name = metadata?.get(key);
  return name !== undefined && Object.hasOwn(dataTypes, name) ? (name as DataType) : undefined;
}

/** Notes on an input or output the element type that it came with. */
export const withSourceType = (value: Value, dtype: DataType): Value => ({
  ...value,
  metadata: new Map([...(value.metadata ?? []), [key, dtype]]),
});

/** The input or output without that note. */
export function withoutSourceType(value: Value): Value {
  const metadata = new Map(value.metadata);
  metadata.delete(key);
  return { ...value, metadata };
}
