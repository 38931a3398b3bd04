import type { ImportanceName } from "../../../src/training/freezing/importance.ts";
import type { SelectionMode } from "../../../src/training/freezing/modes.ts";
import { defaultFreezingOptions, type FreezingOptions } from "../../../src/training/freezing/refresh.ts";

/** A way to choose what trains, and how much of it. */
export interface Choice {
  mode: SelectionMode;
  importance: ImportanceName;
  /** Share of rows; of a full backward's time for the mode "cost". */
  share: number;
}

/** A network with all layers at these bit widths: with its first and last layer at 8 bits too little is lost to tell choices apart. */
export interface Setting {
  network: string;
  wbits: 8 | 4;
  abits: 8 | 4;
}

export const settings: readonly Setting[] = [
  { network: "resnet20", wbits: 4, abits: 4 },
  { network: "resnet20", wbits: 4, abits: 8 },
  { network: "mobilenetv3", wbits: 4, abits: 4 },
  { network: "mobilenetv3", wbits: 4, abits: 8 },
];

const of = (mode: SelectionMode, importance: readonly ImportanceName[], ...shares: number[]): Choice[] =>
  shares.flatMap((share) => importance.map((each) => ({ mode, importance: each, share })));

const metrics: readonly ImportanceName[] = ["magnitude", "normalized-magnitude", "fisher", "error-energy"];

/** Within a layer normalized magnitudes rank as magnitudes do, so CWPL has no row for them. */
export const choices: readonly Choice[] = [
  ...of("cwpl", ["magnitude"], 0, 0.05, 0.25, 1),
  ...of("cwpl", ["fisher", "error-energy"], 0.05, 0.25),
  ...of("cwpn", metrics, 0.05, 0.25),
  ...of("lwpn", metrics, 0.05, 0.25),
  ...of("cost", metrics, 0.35, 0.5),
];

export const nameOf = ({ mode, importance, share }: Choice): string => `${mode}-${importance}-${share}`;

export const settingName = ({ network, wbits, abits }: Setting): string => `${network}-w${wbits}a${abits}`;

export function freezingOf({ mode, importance, share }: Choice): FreezingOptions {
  return {
    ...defaultFreezingOptions,
    mode,
    importance,
    ...(mode === "cost" ? { budget: share } : { ratio: share }),
  };
}
