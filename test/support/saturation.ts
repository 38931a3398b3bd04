import { kernelsSaturate } from "../../src/runtime/saturation.ts";

/** Whether 8-bit kernels saturate here, so that graphs on them are never trained: see src/runtime/saturation.ts. */
export const saturates = await kernelsSaturate();
