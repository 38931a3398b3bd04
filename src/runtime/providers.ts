import { environmentError, type UserError } from "../errors.ts";
import { parseProvider } from "./provider-spec.ts";
import { ort } from "./onnxruntime.ts";

/** Execution providers that the installed runtime was built with; their libraries may still be missing. */
export function availableProviders(): string[] {
  return ort.listSupportedBackends().map((backend) => backend.name);
}

/** Those of them whose libraries come with the package. */
export function bundledProviders(): string[] {
  return ort
    .listSupportedBackends()
    .filter(({ bundled }) => bundled)
    .map(({ name }) => name);
}

/** Version of the installed ONNX Runtime. */
export function runtimeVersion(): string {
  return ort.env.versions.node ?? ort.env.versions.common;
}

/** Throws environment/provider when the installed runtime was built without `provider`; its options may stand behind it. */
export function requireProvider(text: string): void {
  const provider = parseProvider(text).name;
  const available = availableProviders();
  if (available.includes(provider)) return;
  throw environmentError(
    "provider",
    `The execution provider "${provider}" is not in the installed ONNX Runtime, which has: ${available.join(", ")}`,
    "--provider",
    "Choose one of the providers listed, or use --provider cpu.",
  );
}

const missingLibrary = /AppendExecutionProvider|Failed to load (shared )?library|adapter|No device|driver/i;

/** The error to throw when creating a session failed because `provider` cannot start here; else undefined. */
export function providerFailure(provider: string, error: unknown): UserError | undefined {
  const message = describeRuntimeError(error);
  if (provider === "cpu" || !missingLibrary.test(message)) return undefined;
  return environmentError(
    "provider",
    `The execution provider "${provider}" cannot start: ${message}`,
    "--provider",
    remedies[provider] ?? "Check that the machine has a device and a driver for it, or use --provider cpu.",
    error,
  );
}

const cudaRemedy =
  "On Linux x64, reinstall onnxruntime-node with ONNXRUNTIME_NODE_INSTALL unset so that it fetches its CUDA libraries, and check the driver; or use --provider cpu.";

const remedies: Readonly<Record<string, string>> = {
  cuda: cudaRemedy,
  tensorrt: cudaRemedy,
  webgpu:
    "On Linux it runs on a Vulkan driver: that of the GPU, or one in software (Mesa's lavapipe from 23.1 on, or VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json, which comes with Debian's chromium); or use --provider cpu.",
};

/** The first line of what ONNX Runtime says, without its source locations. */
export function describeRuntimeError(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text.split("\n").find((part) => part.trim() !== "") ?? "no message";
  return line.replace(/\/onnxruntime_src\/\S+:\d+ /g, "").trim();
}
