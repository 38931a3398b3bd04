import { expect, test } from "vitest";
import { parseProvider } from "../../src/runtime/provider-spec.ts";

test.each([
  ["cpu", { name: "cpu", options: {}, environment: {} }],
  ["cuda:device=1", { name: "cuda", options: { deviceId: 1 }, environment: {} }],
  [
    "tensorrt:device=0,tf32=off",
    { name: "tensorrt", options: { deviceId: 0 }, environment: { NVIDIA_TF32_OVERRIDE: "0" } },
  ],
  ["webgpu:layout=nchw", { name: "webgpu", options: { preferredLayout: "NCHW" }, environment: {} }],
])("%s", (text, spec) => {
  expect(parseProvider(text)).toEqual(spec);
});

test.each([
  ["cpu:device=1", /cpu has no options/],
  ["cuda:tf32=maybe", /cuda has device=1, tf32=off/],
  ["cuda:memory-limit=2GB", /no limit of memory/],
  ["cuda:", /"" is none of cuda's/],
  ["webgpu:toString=1", /is none of webgpu's/],
])("%s is refused", (text, message) => {
  expect(() => parseProvider(text)).toThrow();
  try {
    parseProvider(text);
  } catch (error) {
    expect((error as { toParagraph(): string }).toParagraph()).toMatch(message);
  }
});
