import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Model } from "../../src/ir/model.ts";
import { decodeModel } from "../../src/onnx/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type PackedTensor, unpack, unpackAll } from "./gradient-cases.ts";

export interface Parameter {
  value: Tensor;
  gradient: Tensor;
}

/** A network as scripts/fixtures/export_architectures.py writes it: the loss is the sum of `y` times `factors`. */
export interface Architecture {
  /** Name of its file; one of the TorchScript-based exporter ends in -script. */
  name: string;
  model: Model;
  feeds: Record<string, Tensor>;
  y: Tensor;
  factors: Tensor;
  /** PyTorch autograd's gradients by float inputs. */
  inputs: Record<string, Tensor>;
  /** Parameters of the module and their gradients. */
  parameters: Record<string, Parameter>;
  /** Of batch norms, in their parameters' place, the factor of each channel and what is added to it. */
  norms: Record<string, Parameter>;
}

type Packed<T> = T extends Tensor ? PackedTensor : { [Key in keyof T]: Packed<T[Key]> };

export function readArchitectures(folder: string): Architecture[] {
  const text = gunzipSync(readFileSync(`${folder}/gradients.json.gz`)).toString();
  const { networks } = JSON.parse(text) as {
    networks: Record<string, Packed<Omit<Architecture, "name" | "model">>>;
  };
  return readdirSync(folder)
    .filter((file) => file.endsWith(".onnx"))
    .map((file) => {
      const name = file.slice(0, -".onnx".length);
      const packed = networks[name.replace(/-script$/, "")];
      if (packed === undefined) throw new Error(`${folder} has no gradients of ${name}`);
      const { feeds, y, factors, inputs, parameters, norms } = packed;
      return {
        name,
        model: decodeModel(readFileSync(`${folder}/${file}`)),
        feeds: unpackAll(feeds),
        y: unpack(y),
        factors: unpack(factors),
        inputs: unpackAll(inputs),
        parameters: unpackPairs(parameters),
        norms: unpackPairs(norms),
      };
    });
}

const unpackPairs = (packed: Record<string, Packed<Parameter>>): Record<string, Parameter> =>
  Object.fromEntries(
    Object.entries(packed).map(([name, { value, gradient }]) => [
      name,
      { value: unpack(value), gradient: unpack(gradient) },
    ]),
  );
