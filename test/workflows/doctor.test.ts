import { expect, test } from "vitest";
import { doctor } from "../../src/index.ts";
import { renderText } from "../../src/report/render-text.ts";
import { availableProviders } from "../../src/runtime/providers.ts";
import { runCli } from "../cli/terminal.ts";

test("doctor trains on the CPU, and a provider that is not there or does not start is a row with its remedy", async () => {
  const others = availableProviders().filter((name) => name === "cuda");
  const report = await doctor({ provider: ["cpu", ...others, "qnx"], seconds: 300 });
  const { installation, unmet = [] } = report;
  const [cpu, ...rest] = installation?.providers ?? [];
  expect(cpu).toMatchObject({ provider: "cpu", model: { state: "works" }, training: { state: "works" } });
  expect(rest.at(-1)).toMatchObject({ provider: "qnx", model: { state: "not tried" } });
  for (const { provider, model, remedy } of rest) {
    if (model.state === "works") continue;
    expect(remedy, provider).toBeTruthy();
    expect(unmet).toContain(`the provider ${provider} does not work here`);
  }
  const parts = installation?.checks.map(({ part }) => part);
  expect(parts).toEqual(
    expect.arrayContaining(["ONNX Runtime", "processor", "memory", "temporary files", "Python"]),
  );
  expect(renderText(report)).toMatch(/cpu +works, .* ms +works, .* ms/);
}, 300_000);

test("what does not end in time is told of as such", async () => {
  const outcome = await runCli(["doctor", "--provider", "cpu", "--seconds", "1e9"]);
  expect(outcome.exitCode).toBe(2);
  expect(outcome.stderr).toContain("--seconds");
});
