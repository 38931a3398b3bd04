import { ortCpu } from "./ort-cpu.ts";
import type { Target } from "./target.ts";

/** onnxruntime-web has the CPU provider's kernels in WebAssembly. Its only 4-bit kernel is MatMulNBits. */
export const ortWeb: Target = {
  ...ortCpu,
  name: "ort-web",
  describe: "onnxruntime-web, WebAssembly backend",
  runtime: "onnxruntime-web's wasm backend",
  int4: ["container"],
  verified: {
    ...ortCpu.verified,
    what: "the fixture networks in onnxruntime-web 1.30; every export as ort-cpu, in ONNX Runtime on CPU",
  },
};
