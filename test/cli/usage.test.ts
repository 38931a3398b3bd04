import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { commands } from "../../src/commands/index.ts";
import { describeError } from "../../src/cli/show-error.ts";
import { environmentError, exitCodes, UserError, verificationError } from "../../src/errors.ts";
import { version } from "../../src/version.ts";
import { runCli } from "./terminal.ts";

const base = ["optimize", "model.onnx", "--data", "data.npz", "--out", "out.onnx"];

test("the version is that of package.json", async () => {
  const { version: packaged } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  expect(version).toBe(packaged);
  expect(await runCli(["--version"])).toMatchObject({ exitCode: 0, stdout: `${packaged}\n`, stderr: "" });
});

test("without arguments the help is shown, with the exit code for wrong usage", async () => {
  const { exitCode, stdout } = await runCli([]);
  expect(exitCode).toBe(exitCodes.usage);
  expect(stdout).toContain("efqat optimize");
});

test.each(commands.map(({ name }) => name))(
  "%s --help shows examples, defaults and exit codes",
  async (name) => {
    const { exitCode, stdout } = await runCli([name, "--help"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("Examples:");
    expect(stdout).toContain("Exit codes:");
    // What only prints writes no report.
    if (commands.find((command) => command.name === name)?.print === undefined)
      expect(stdout).toContain("--json");
  },
);

test("optimize has every option of the shared list", async () => {
  const { stdout } = await runCli(["optimize", "--help"]);
  const names =
    "data split val labels mean std samples calibration wbits abits ratio mode refresh epochs batch micro-batch memory-limit loss lr forward out json seed threads provider quiet";
  for (const name of names.split(" ")) expect(stdout).toMatch(new RegExp(`--${name}\\b`));
});

describe("wrong usage is one paragraph and exit code 2, before anything is read", () => {
  test.each<[string[], RegExp]>([
    [["optimise", "model.onnx"], /no command "optimise".*optimize, inspect/],
    [["optimize"], /Missing: MODEL.*--data, --out.*For example: efqat optimize/],
    [["optimize", "model.onnx", "--out", "x"], /Missing: --data /],
    [[...base, "--ration", "0.5"], /no option --ration .*Did you mean --ratio\?/],
    [[...base, "--ratio", "1.5"], /--ratio is "1.5".*from 0 to 1/],
    [[...base, "--ratio", "-0.1"], /--ratio is "-0.1".*from 0 to 1/],
    [[...base, "--ratio", "some"], /--ratio is "some"/],
    [[...base, "--ratio="], /--ratio/],
    [[...base, "--mode", "best"], /mode.*cwpl.*cwpn.*lwpn/],
    [[...base, "--wbits", "3"], /wbits is "3".*Choose 8, 4/],
    [[...base, "--forward", "half"], /forward is "half".*Choose auto, float/],
    [[...base, "--epochs", "0"], /--epochs is "0".*above 0/],
    [[...base, "--batch", "2.5"], /--batch is "2.5".*whole number/],
    [[...base, "--batch", "64", "--micro-batch", "24"], /micro-batch of 24 does not divide the batch of 64/],
    [[...base, "--memory-limit", "2"], /--memory-limit is "2".*800MB/],
    [[...base, "--memory-limit", "0GB"], /--memory-limit is "0GB"/],
    [[...base, "--memory-limit", "2GB", "--micro-batch", "8"], /only one of the two/],
    [[...base, "--budget", "0.3"], /mode is auto.*Add --mode cost/],
    [[...base, "--mode", "cwpl", "--budget", "0.3"], /mode is cwpl/],
    [["optimize", "m.onnx", "--data", "d", "--dest", "x"], /no option --dest .*Did you mean --out\?/],
    [[...base, "--batch_size", "3"], /no option --batch_size .*Did you mean --batch\?/],
    [[...base, "-seed", "3"], /no option -seed .*Did you mean --seed\?/],
    [[...base, "\u2014seed", "3"], /Did you mean --seed\?/],
    [["quantize", ...base.slice(1), "--epochs", "3"], /It belongs to efqat optimize, efqat train/],
    [[...base, "--seed"], /--seed needs a value/],
    [[...base, "--seed", "--quiet"], /--seed needs a value/],
    [[...base, "--quiet=maybe"], /--quiet takes no value/],
    [[...base, "--calibration", "minmx"], /Did you mean minmax\?/],
    [["model.onnx", "--data", "x"], /The command comes first: efqat optimize model.onnx/],
    [["help", "optimise"], /Did you mean optimize\?/],
    [[...base, "--std", "0"], /--std is "0".*above 0/],
    [[...base, "--mean", "0.1,b"], /--mean is "b"/],
    [[...base, "--resize", "2x3x4"], /--resize is "2x3x4"/],
    [[...base, "--augment", "spin"], /--augment has the part "spin"/],
    [[...base, "--seed", "-1"], /--seed is "-1"/],
    [[...base, "--val", "-1"], /--val is "-1"/],
    [[...base, "extra.onnx"], /"extra.onnx" is one argument too many.*quotation marks/],
  ])("%j", async (args, message) => {
    const { exitCode, stdout, stderr } = await runCli(args);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect({ exitCode, stdout }).toEqual({ exitCode: exitCodes.usage, stdout: "" });
  });
});

test("all that is wrong is said at once, and what was misspelt is not missing as well", async () => {
  const { exitCode, stderr } = await runCli([
    "optimize",
    "m.onnx",
    "--ration",
    "1",
    "--dest",
    "x",
    "--mode",
    "y",
  ]);
  expect(stderr.trim().split("\n")).toEqual([
    "Error: 4 problems",
    expect.stringMatching(/--ration /),
    expect.stringMatching(/--dest /),
    expect.stringMatching(/--mode is "y"/),
    expect.stringMatching(/Missing: --data \(/),
  ]);
  expect(exitCode).toBe(exitCodes.usage);
});

test("help and version in the forms that people try; values may begin with a minus", async () => {
  expect((await runCli(["-v"])).stdout).toBe(`${version}\n`);
  const { stdout, exitCode } = await runCli(["help", "optimize"]);
  expect([stdout, exitCode]).toEqual([(await runCli(["optimize", "--help"])).stdout, 0]);
  expect((await runCli(["help"])).stdout).toContain("efqat optimize");
  expect((await runCli(["--quiet", "inspect", "gone.onnx"])).stderr).toMatch(/gone.onnx/);
  const { stderr } = await runCli([...base, "--mean", "-0.1,x"]);
  expect(stderr).toMatch(/--mean is "x"/);
  for (const given of [["--forms", "x"], ["--forms=x"]])
    expect((await runCli([...base, ...given])).stderr).toMatch(/--forms.*"x".*trial/s);
});

describe("errors on the terminal", () => {
  const show = (error: unknown, options = {}) =>
    describeError(error, { stack: false, aborted: false, ...options });

  test("kinds have their exit codes; the remedy is part of the paragraph", () => {
    expect(show(environmentError("disk-full", "The disk is full", "out.onnx", "Free some space."))).toEqual({
      text: "Error [environment/disk-full]: The disk is full (out.onnx). Free some space.",
      exitCode: 4,
    });
    expect(show(verificationError("agreement", "They differ")).exitCode).toBe(5);
    expect(show(new UserError("interrupted/training", "interrupted", "Stopped")).exitCode).toBe(130);
  });

  test("anything else is a bug and says so; a stack only when asked", () => {
    const plain = show(new TypeError("x is undefined"));
    expect(plain.exitCode).toBe(1);
    expect(plain.text).toMatch(/^Error \[internal\]: x is undefined\. This is a bug/);
    expect(plain.text).not.toMatch(/^\s+at /m);
    const cause = new Error("outer", { cause: new Error("inner") });
    expect(show(cause, { stack: true }).text).toMatch(/outer[^]*at [^]*Caused by: Error: inner/);
  });

  test("what an abort throws is no error", () => {
    expect(show(new DOMException("This operation was aborted", "AbortError"), { aborted: true })).toEqual({
      text: "Stopped.",
      exitCode: 130,
    });
  });
});
