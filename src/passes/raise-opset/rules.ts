import { clip, dropoutMask, dropoutRatio, listToInput, pad, slice, topK } from "./attributes-to-inputs.ts";
import {
  batchNormSpatial,
  batchNormTraining,
  gridSample,
  refuse,
  roiAlign,
  scatter,
  splitParts,
} from "./other-rules.ts";
import { resizeOptionalInputs, resizeRegion, upsampleScales, upsampleToResize } from "./resize.ts";
import type { RaiseRule } from "./rule.ts";
import { softmax } from "./softmax.ts";

const axesToInput = listToInput("axes", 1);

/**
 * Operators of the default domain whose meaning or form changed between opset 7 and 21, with the version of each
 * change. Versions that only add element types or optional attributes are in compatible-versions.ts.
 * Source: ONNX's operator changelog.
 */
export const raiseRules: Readonly<Record<string, Readonly<Record<number, RaiseRule>>>> = {
  BatchNormalization: { 9: batchNormSpatial, 14: batchNormTraining },
  Clip: { 11: clip },
  DFT: { 20: refuse("its axis became an input") },
  Dropout: { 10: dropoutMask, 12: dropoutRatio },
  GridSample: { 20: gridSample },
  GroupNormalization: { 21: refuse("its scale and bias changed from per group to per channel") },
  Hardmax: { 13: softmax },
  LogSoftmax: { 13: softmax },
  Pad: { 11: pad },
  ReduceL1: { 18: axesToInput },
  ReduceL2: { 18: axesToInput },
  ReduceLogSum: { 18: axesToInput },
  ReduceLogSumExp: { 18: axesToInput },
  ReduceMax: { 18: axesToInput },
  ReduceMean: { 18: axesToInput },
  ReduceMin: { 18: axesToInput },
  ReduceProd: { 18: axesToInput },
  ReduceSum: { 13: axesToInput },
  ReduceSumSquare: { 18: axesToInput },
  Resize: { 11: resizeRegion, 13: resizeOptionalInputs },
  RoiAlign: { 16: roiAlign },
  Scan: { 9: refuse("it lost its batch axis") },
  Scatter: { 11: scatter },
  Slice: { 10: slice },
  Softmax: { 13: softmax },
  Split: { 13: listToInput("split", 1), 18: splitParts },
  Squeeze: { 13: axesToInput },
  TopK: { 10: topK },
  Unsqueeze: { 13: axesToInput },
  Upsample: { 9: upsampleScales, 10: upsampleToResize },
};
