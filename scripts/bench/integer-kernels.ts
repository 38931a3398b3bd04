/**
 * npm run bench:kernels [-- --threads 2 --runs 15]
 *
 * Times ONNX Runtime's integer kernels beside its float kernels for the same operator, those that `efqat audit` calls slow and
 * their neighbours: what its profiler sees in all kernels but the quantizers, the least of the runs.
 */
import { parseArgs } from "node:util";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { profiledIn, readProfile } from "../../src/runtime/read-profile.ts";
import { withTemporaryDirectory } from "../../src/runtime/temporary-directory.ts";
import { buildModel } from "../../test/support/build-model.ts";
import { emitPair, emitWeight } from "../../test/support/qdq-model.ts";
import { randomTensor } from "../../test/support/random-tensor.ts";

const { values } = parseArgs({
  options: { threads: { type: "string", default: "2" }, runs: { type: "string", default: "15" } },
});
const [threads, runs] = [Number(values.threads), Number(values.runs)];

type Attributes = NonNullable<Parameters<Emitter["op"]>[2]>;
type Case = readonly [name: string, input: number[], op: string, attributes: Attributes, weight?: number[]];

const window = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
const cases: readonly Case[] = [
  ["Conv 3x3", [1, 64, 56, 56], "Conv", { pads: [1, 1, 1, 1] }, [64, 64, 3, 3]],
  ["depthwise", [1, 96, 56, 56], "Conv", { group: 96 }, [96, 1, 3, 3]],
  ["depthwise, multiplier 2", [1, 96, 56, 56], "Conv", { group: 96 }, [192, 1, 3, 3]],
  ["depthwise, multiplier 4", [1, 32, 56, 56], "Conv", { group: 32 }, [128, 1, 3, 3]],
  ["depthwise, multiplier 2, 3-D", [1, 16, 8, 16, 16], "Conv", { group: 16 }, [32, 1, 3, 3, 3]],
  ["groups of 2 channels", [1, 128, 56, 56], "Conv", { group: 64 }, [128, 2, 3, 3]],
  ["groups of 4 channels", [1, 64, 56, 56], "Conv", { group: 16 }, [64, 4, 3, 3]],
  ["groups of 8 channels", [1, 64, 56, 56], "Conv", { group: 8 }, [64, 8, 3, 3]],
  ["3-D, 3 channels", [1, 3, 16, 32, 32], "Conv", {}, [32, 3, 3, 3, 3]],
  ["3-D, groups of 8 channels", [1, 32, 8, 16, 16], "Conv", { group: 4 }, [32, 8, 3, 3, 3]],
  ["3-D, 16 channels", [1, 16, 16, 32, 32], "Conv", {}, [32, 16, 3, 3, 3]],
  ["dynamic 3x3", [1, 64, 56, 56], "ConvInteger", {}, [64, 64, 3, 3]],
  ["dynamic depthwise", [1, 96, 56, 56], "ConvInteger", { group: 96 }, [96, 1, 3, 3]],
  ["dynamic groups of 8", [1, 64, 56, 56], "ConvInteger", { group: 8 }, [64, 8, 3, 3]],
  ["AveragePool", [1, 64, 56, 56], "AveragePool", window],
  ["MaxPool, channels first", [1, 64, 56, 56], "MaxPool", window],
  ["Softmax, 8 x 64 x 64", [8, 64, 64], "Softmax", {}],
  ["Softmax, 4 x 512 x 512", [4, 512, 512], "Softmax", {}],
];

function modelOf([, input, op, attributes, weight]: Case, quantized: boolean): Model {
  return buildModel({
    inputs: { x: input },
    outputs: [],
    build: (emit) => {
      emit.graph.outputs = [{ name: quantized ? integers(emit) : floats(emit), type: undefined }];
    },
  });

  function floats(emit: Emitter): string {
    const inputs = weight === undefined ? [] : [emit.constant(randomTensor(weight, 3), "w")];
    return emit.op(op === "ConvInteger" ? "Conv" : op, ["x", ...inputs], attributes);
  }

  function integers(emit: Emitter): string {
    if (op !== "ConvInteger" || weight === undefined) {
      const inputs = weight === undefined ? [] : [emitWeight(emit, weight, { axis: 0 })];
      return emitPair(emit, emit.op(op, [emitPair(emit, "x"), ...inputs], attributes));
    }
    const [q = "", , zero = ""] = emit.node("DynamicQuantizeLinear", ["x"], { outputCount: 3 });
    const codes = emit.graph.nodes.length;
    emitWeight(emit, weight);
    const [name = ""] = emit.graph.nodes.splice(codes)[0]?.inputs ?? [];
    return emit.op(op, [q, name, zero], attributes);
  }
}

/** Milliseconds of the fastest run. */
function time(model: Model, input: readonly number[]): Promise<number> {
  return withTemporaryDirectory(async (folder) => {
    await withSession(model, { threads, ...profiledIn(folder, model) }, async (session) => {
      for (let run = 0; run < runs; run++) await session.run({ x: randomTensor(input, 9) });
    });
    const sums = (await readProfile(folder, model.graph)).map((kernels) =>
      kernels.filter(({ opType }) => !opType.includes("uantizeLinear")).reduce((sum, { ms }) => sum + ms, 0),
    );
    return Math.min(...sums);
  });
}

for (const each of cases) {
  const [name, input] = each;
  const [float, integer] = [await time(modelOf(each, false), input), await time(modelOf(each, true), input)];
  console.log(
    `${name.padEnd(30)} float ${float.toFixed(3)} ms, integer ${integer.toFixed(3)} ms: ${(integer / float).toFixed(1)} times`,
  );
}
