import {
  Comment,
  type DeclarationReflection,
  IntrinsicType,
  type ProjectReflection,
  ReflectionKind,
} from "typedoc";
import type { Command } from "../../src/commands/command.ts";
import { commands } from "../../src/commands/index.ts";
import { type OptionSpec, reportOptions } from "../../src/commands/options.ts";

/** "from-hf" as "FromHf". */
const pascal = (name: string): string =>
  name.replace(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase());
const camel = (name: string): string => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Gives requests their options with what each is, and hides what types are derived from; fields of reports are in their schema. */
export function describeRequests(project: ProjectReflection): void {
  for (const reflection of project.getReflectionsByKind(ReflectionKind.All) as DeclarationReflection[]) {
    const command = commands.find(({ name }) => `${pascal(name)}Request` === reflection.name);
    if (command !== undefined) {
      reflection.comment = new Comment([{ kind: "text", text: describeOptions(command) }]);
      reflection.type = new IntrinsicType("object");
    }
    if (["DataSpec", "Report"].includes(reflection.name)) hideOrigin(reflection);
  }
  const report = project.getChildByName("Report") as DeclarationReflection | undefined;
  for (const child of [...(report?.children ?? [])]) project.removeReflection(child);
}

function hideOrigin(reflection: DeclarationReflection): void {
  delete reflection.extendedTypes;
  delete reflection.typeHierarchy;
  for (const child of reflection.children ?? []) delete child.inheritedFrom;
}

function describeOptions({ name: command, describe: does, positional, options }: Command): string {
  const own = Object.entries(options).filter(([name]) => !Object.hasOwn(reportOptions, name));
  const rows = own.map(
    ([name, spec]) => `| \`${camel(name)}\` | ${typeOf(spec)} | ${cell(describe(spec))} |`,
  );
  const first =
    positional === undefined ? [] : [`| \`${positional.name}\` | path | ${cell(positional.describe)} |`];
  const table = ["| option | takes | |", "|---|---|---|", ...first, ...rows].join("\n");
  return `Options of \`efqat ${command}\`: ${does}.\n\n${table}`;
}

const cell = (text: string): string => text.replaceAll("|", "\\|");

const describe = ({ describe: text, default: usual, required }: OptionSpec): string => {
  if (required === true) return `${text} (required)`;
  return usual === undefined ? text : `${text} (default: ${usual})`;
};

function typeOf({ flag, choices, value }: OptionSpec): string {
  if (flag === true) return "boolean";
  if (choices !== undefined) return choices.map((choice) => `\`${choice}\``).join(", ");
  return value ?? "text";
}
