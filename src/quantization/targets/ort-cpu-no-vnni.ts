import { largestExactPair } from "../saturating-pairs.ts";
import { ortCpu } from "./ort-cpu.ts";
import type { Target } from "./target.ts";

/**
 * x64 without VNNI, whose kernels saturate (saturating-pairs.ts): rows in which two codes that are added could do so get a
 * larger scale; all others stay as they are.
 */
export const ortCpuNoVnni: Target = {
  ...ortCpu,
  name: "ort-cpu-no-vnni",
  describe: "ONNX Runtime's CPU provider, on x64 processors without VNNI (AVX2 or AVX512 alone)",
  weights: { ...ortCpu.weights, pairLimit: largestExactPair },
  verified: {
    ...ortCpu.verified,
    what: "as ort-cpu, also on an x64 processor with AVX2 alone, on its own kernels",
  },
};
