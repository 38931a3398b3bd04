import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";

/**
 * Folders in the order of src/README.md. A folder may import itself and the rows above it, less `not`;
 * where `only` is given, just those.
 */
const rows: { folders: string[]; only?: string[]; not?: string[] }[] = [
  {
    folders: ["errors.ts", "group-by.ts", "log.ts", "named-values.ts", "printable.ts", "version.ts"],
    only: [],
  },
  { folders: ["remove-at-exit.ts"], only: [] },
  { folders: ["atomic-file.ts"], only: ["diagnostics", "remove-at-exit.ts"] },
  { folders: ["statistics"], only: [] },
  { folders: ["claims"], only: ["diagnostics", "remove-at-exit.ts", "atomic-file.ts"] },
  { folders: ["tensor"] },
  { folders: ["ir"] },
  { folders: ["scoring"], only: ["diagnostics", "statistics", "tensor", "ir"] },
  { folders: ["ops"] },
  { folders: ["onnx"] },
  { folders: ["data"] },
  { folders: ["runtime"], not: ["data"] },
  { folders: ["importers"] },
  { folders: ["passes"] },
  { folders: ["calibration"] },
  { folders: ["quantization"] },
  { folders: ["audit"] },
  { folders: ["autodiff"], only: ["diagnostics", "tensor", "ops", "ir", "lowering"] },
  { folders: ["lowering"], only: ["diagnostics", "tensor", "ops", "ir"] },
  { folders: ["training"] },
  { folders: ["export"] },
  { folders: ["report"], only: ["diagnostics"] },
  { folders: ["recipes"], only: ["diagnostics", "ir"] },
  { folders: ["workflows"] },
  { folders: ["commands"], only: ["diagnostics", "report", "workflows"] },
  { folders: ["zoo"] },
  { folders: ["index.ts"] },
  { folders: ["cli"], only: ["diagnostics", "report", "workflows", "commands", "zoo"] },
];

/** The same within `training/`: a part may import those in front of it, and not those beside it. */
const trainingRows: readonly (readonly string[])[] = [
  ["state.ts", "schedule.ts"],
  ["arithmetic"],
  ["checkpoint"],
  ["losses", "optimizers", "freezing"],
  ["metrics"],
  ["train-options.ts"],
  ["artifact"],
  ["sessions"],
  ["costs"],
  ["trainer"],
  ["rough-memory.ts", "profile", "workers"],
  ["process"],
  ["artifact.ts"],
  ["measure-gradients.ts", "measure-memory.ts", "inspect-training.ts", "train.ts"],
];

/** Which packages a folder may import besides Node's own modules. */
const packages: Readonly<Record<string, readonly string[]>> = {
  claims: ["zod"],
  onnx: ["protobufjs"],
  runtime: ["onnxruntime-node"],
  importers: ["execa", "zod"],
  data: [
    "@huggingface/tokenizers",
    "csv-parse",
    "hyparquet",
    "hyparquet-compressors",
    "sharp",
    "yauzl",
    "zod",
  ],
  calibration: ["zod"],
  training: ["zod"],
  report: ["zod"],
  workflows: ["zod"],
  commands: ["fastest-levenshtein", "yaml"],
  zoo: [
    "@aws-sdk/client-s3",
    "bullmq",
    "execa",
    "ioredis",
    "node-sqlite3-wasm",
    "picomatch",
    "prom-client",
    "tinyglobby",
    "yaml",
    "zod",
  ],
  cli: ["yargs", "cli-progress", "tinyglobby"],
};

const root = resolve("src");
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.(ts|js)$/.test(file))
  .map((file) => file.split(sep).join("/"))
  .filter((file) => !file.startsWith("onnx/proto/"));

interface Import {
  specifier: string;
  typeOnly: boolean;
}

/** Static and dynamic imports and re-exports of a source file. */
function importsOf(source: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    if (
      (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) &&
      node.moduleSpecifier &&
      ts.isStringLiteral(node.moduleSpecifier)
    ) {
      const typeOnly = ts.isImportDeclaration(node)
        ? node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
        : node.isTypeOnly;
      found.push({ specifier: node.moduleSpecifier.text, typeOnly: typeOnly === true });
    }
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument && ts.isStringLiteral(argument)) found.push({ specifier: argument.text, typeOnly: false });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(join(root, file), "utf8"), ts.ScriptTarget.ES2023, true);
}

const folderOf = (file: string): string => file.split("/")[0] as string;
const diagnostics = rows[0]?.folders ?? [];
const rowOf = (folder: string): number => rows.findIndex((row) => row.folders.includes(folder));

/** Why `from` may not import `to`, or undefined. */
function refuse(from: string, to: string): string | undefined {
  const importer = rowOf(from);
  const imported = rowOf(to);
  if (imported < 0) return `src/${to} has no row in the table`;
  if (from === to || (importer > 0 && diagnostics.includes(to))) return undefined;
  const { only, not } = rows[importer] as (typeof rows)[0];
  if (only !== undefined) return only.includes(to) ? undefined : "its row does not list it";
  if (not?.includes(to)) return "its row excludes it";
  return imported < importer ? undefined : "its row lies below";
}

describe("the import table of src/README.md", () => {
  test("every folder has a row", () => {
    expect([...new Set(files.map(folderOf))].filter((folder) => rowOf(folder) < 0)).toEqual([]);
  });

  test("imports point up the table", () => {
    const wrong = files.flatMap((file) =>
      importsOf(parse(file))
        .filter(({ specifier }) => specifier.startsWith("."))
        .flatMap(({ specifier }) => {
          const target = relative(root, resolve(root, dirname(file), specifier))
            .split(sep)
            .join("/");
          if (target.startsWith("..")) return [`${file} imports ${specifier}, outside src`];
          const reason = refuse(folderOf(file), folderOf(target));
          return reason === undefined ? [] : [`${file} imports ${target}: ${reason}`];
        }),
    );
    expect(wrong).toEqual([]);
  });

  test("within training/, too", () => {
    const parts = files.filter((file) => file.startsWith("training/")).map((file) => file.slice(9));
    const rowOfPart = (part: string): number => trainingRows.findIndex((row) => row.includes(part));
    expect([...new Set(parts.map(folderOf))].filter((part) => rowOfPart(part) < 0)).toEqual([]);
    const wrong = parts.flatMap((file) =>
      importsOf(parse(`training/${file}`)).flatMap(({ specifier }) => {
        const [top, part = ""] = relative(root, resolve(root, "training", dirname(file), specifier)).split(
          sep,
        );
        if (!specifier.startsWith(".") || top !== "training" || part === folderOf(file)) return [];
        return rowOfPart(part) < rowOfPart(folderOf(file)) ? [] : [`training/${file} imports ${specifier}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  test("packages are used where they belong", () => {
    const wrong = files.flatMap((file) =>
      importsOf(parse(file))
        .map(({ specifier }) => specifier)
        .filter((specifier) => !specifier.startsWith("."))
        .filter((specifier) => !specifier.startsWith("node:") && !builtinModules.includes(specifier))
        .filter((specifier) => {
          const name = specifier
            .split("/")
            .slice(0, specifier.startsWith("@") ? 2 : 1)
            .join("/");
          return !(packages[folderOf(file)] ?? []).includes(name);
        })
        .map((specifier) => `${file} imports ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  test("imports make no cycles between files", () => {
    const targets = new Map(
      files.map((file) => [
        file,
        importsOf(parse(file))
          .filter(({ specifier, typeOnly }) => specifier.startsWith(".") && !typeOnly)
          .map(({ specifier }) =>
            relative(root, resolve(root, dirname(file), specifier))
              .split(sep)
              .join("/"),
          ),
      ]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (file: string, path: string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
      if (done.has(file) || path.includes(file)) return;
      for (const target of targets.get(file) ?? []) walk(target, [...path, file]);
      done.add(file);
    };
    for (const file of files) walk(file, []);
    expect(cycles).toEqual([]);
  });
});

test("ONNX Runtime is imported in one place, behind what turns its telemetry off", () => {
  const importers = files.filter((file) =>
    importsOf(parse(file)).some(({ specifier }) => specifier === "onnxruntime-node"),
  );
  expect(importers).toEqual(["runtime/onnxruntime.ts"]);
  const [first] = importsOf(parse("runtime/onnxruntime.ts"));
  expect(first?.specifier).toBe("./silence-telemetry.ts");
});

test("only the command line prints, exits, or reads the environment", () => {
  // Native code reads these variables from the environment and nowhere else.
  const excepted = ["runtime/silence-telemetry.ts", "runtime/provider-variables.ts"];
  const wrong = files
    .filter((file) => folderOf(file) !== "cli" && !excepted.includes(file))
    .flatMap((file) => {
      const source = parse(file);
      const found: string[] = [];
      const visit = (node: ts.Node): void => {
        if (ts.isPropertyAccessExpression(node)) {
          const text = `${node.expression.getText(source)}.${node.name.text}`;
          const forbidden =
            text.startsWith("console.") || /^process\.(exit|exitCode|stdout|stderr|env|argv)$/.test(text);
          if (forbidden) found.push(`${file}: ${text}`);
        }
        ts.forEachChild(node, visit);
      };
      visit(source);
      return found;
    });
  expect(wrong).toEqual([]);
});
