import { kernelsSaturate } from "../../src/runtime/saturation.ts";

/** Whether 8-bit kernels saturate here, so that graphs on them are never trained: see src/runtime/saturation.ts. */
export const saturates = await kernelsSaturate();

/** Title of the tests that are left out where they do. */
export const needsExactKernels =
  "on integer kernels (needs a processor on which their sums do not saturate, as with VNNI)";
