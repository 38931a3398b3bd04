import { stringify } from "yaml";
import type { Report } from "../report/report-data.ts";
import type { Command } from "./command.ts";
import { type OptionSpec, reportOptions } from "./options.ts";

/** The YAML of a configuration: what must be given, and every other option in a comment with its default. */
export function renderConfiguration(
  command: Command,
  { path, name, report }: { path: string; name: string; report: Report },
): string {
  const inputs = (report.model?.inputs ?? []).map(
    (input) => `${input.name} ${input.type}[${input.shape.join(", ")}]`,
  );
  const lines = [
    `# efqat ${command.name}: run it with  efqat ${command.name} --config THIS_FILE`,
    "# Paths are relative to this file. Options are those of the command line (docs/cli.md), which go before these.",
    `command: ${command.name}`,
    line("model", path),
    "",
    `# Samples; what the model takes: ${inputs.join(", ")}`,
    "data: samples.npz",
    line("out", `${name}.quantized.onnx`),
  ];
  const others = Object.entries(command.options).filter(([option]) => !isGiven(option));
  const groups = new Map<string, string[]>();
  for (const [option, spec] of others)
    groups.set(spec.group, [...(groups.get(spec.group) ?? []), ...renderOption(option, spec)]);
  for (const [group, options] of groups) lines.push("", `# ${group.replace(":", "")}`, ...options);
  return `${lines.join("\n").replace(/[^\P{Cc}\n]/gu, "")}\n`;
}

const isGiven = (option: string): boolean =>
  ["data", "out", "config"].includes(option) ||
  (Object.hasOwn(reportOptions, option) && !/json|html/.test(option));

function renderOption(option: string, spec: OptionSpec): string[] {
  const choices = spec.choices === undefined ? "" : ` (${spec.choices.join(", ")})`;
  const isNumber = spec.default !== undefined && /^\d/.test(spec.default);
  const value = spec.flag ? false : isNumber ? Number(spec.default) : spec.default;
  const known = spec.default !== undefined || spec.flag === true;
  return [`# ${spec.describe}${choices}`, known ? `#${line(option, value)}` : `#${option}:`];
}

const line = (key: string, value: unknown): string => stringify({ [key]: value }, { lineWidth: 0 }).trimEnd();
