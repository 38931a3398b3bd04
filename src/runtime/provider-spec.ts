import { usageError, type UserError } from "../errors.ts";

/** An execution provider and what is settled of it, as ONNX Runtime's binding for Node takes them. */
export interface ProviderSpec {
  name: string;
  /** Options of the provider in the binding's words. */
  options: Readonly<Record<string, string | number>>;
  /** Variables of the environment that its libraries read when they start. */
  environment: Readonly<Record<string, string>>;
}

interface OptionRule {
  /** Providers that have it. */
  providers: readonly string[];
  form: RegExp;
  example: string;
  apply(value: string): Partial<Pick<ProviderSpec, "options" | "environment">>;
}

/**
 * The options there are. The binding hands on no more: of CUDA and TensorRT the number of the device (its
 * session_options_helper.cc), so that TF32 is left to NVIDIA's own variable, and there is no limit of their memory.
 */
const rules: Readonly<Record<string, OptionRule>> = {
  device: {
    providers: ["cuda", "tensorrt", "dml", "webgpu"],
    form: /^\d{1,4}$/,
    example: "device=1",
    apply: (value) => ({ options: { deviceId: Number(value) } }),
  },
  tf32: {
    providers: ["cuda", "tensorrt"],
    form: /^(on|off)$/,
    example: "tf32=off",
    apply: (value) => (value === "off" ? { environment: { NVIDIA_TF32_OVERRIDE: "0" } } : {}),
  },
  layout: {
    providers: ["webgpu"],
    form: /^(nchw|nhwc)$/i,
    example: "layout=nchw",
    apply: (value) => ({ options: { preferredLayout: value.toUpperCase() } }),
  },
  flags: {
    providers: ["coreml"],
    form: /^\d{1,6}$/,
    example: "flags=4",
    apply: (value) => ({ options: { coreMlFlags: Number(value) } }),
  },
};

/**
 * Reads "cuda" or "cuda:device=1,tf32=off". Throws usage/provider for options that the provider does not have or that
 * have other values.
 */
export function parseProvider(text: string): ProviderSpec {
  const at = text.indexOf(":");
  const name = at < 0 ? text : text.slice(0, at);
  const spec = { name, options: {}, environment: {} };
  if (at < 0) return spec;
  for (const part of text.slice(at + 1).split(",")) {
    const [key = "", value = ""] = part.split("=");
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
    if (rule === undefined || !rule.providers.includes(name) || !rule.form.test(value))
      throw wrong(name, part);
    const { options, environment } = rule.apply(value);
    Object.assign(spec.options, options);
    Object.assign(spec.environment, environment);
  }
  return spec;
}

function wrong(name: string, part: string): UserError {
  const known = Object.values(rules).filter(({ providers }) => providers.includes(name));
  const memory = /^(gpu[-_])?mem/.test(part)
    ? "ONNX Runtime's binding for Node hands no limit of memory on to providers: use a smaller --batch. "
    : "";
  const choices =
    known.length === 0
      ? `${name} has no options.`
      : `${name} has ${known.map(({ example }) => example).join(", ")}, separated by commas.`;
  return usageError(
    "provider",
    `The option "${part}" is none of ${name}'s`,
    "--provider",
    `${memory}${choices}`,
  );
}
