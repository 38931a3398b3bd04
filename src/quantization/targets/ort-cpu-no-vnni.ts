import { largestExactPair } from "../saturating-pairs.ts";
import { ortCpu } from "./ort-cpu.ts";
import type { Target } from "./target.ts";

/**
 * x64 without VNNI, whose kernels add pairs of products in saturating int16 (saturating-pairs.ts): rows where a pair
 * could saturate get a larger scale; other rows are as for ort-cpu.
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
