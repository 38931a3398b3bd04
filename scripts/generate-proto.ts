/**
 * Writes src/onnx/proto/ from proto/onnx.proto: onnx.js (encoders and decoders, by pbjs) and schema.ts
 * (the same messages as TypeScript interfaces, and their field numbers). Run: npm run generate:proto [-- FOLDER]
 */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";
import { pbjs } from "protobufjs-cli";

const proto = fileURLToPath(new URL("../proto/onnx.proto", import.meta.url));
const folder = process.argv[2] ?? fileURLToPath(new URL("../src/onnx/proto/", import.meta.url));
const banner = "// Generated from proto/onnx.proto by scripts/generate-proto.ts; do not edit.\n";

const pbjsOptions = [
  ...["-t", "static-module", "-w", "esm", "--es6", "-r", "efqat", "--force-long", "--no-comments"],
  ...["--no-create", "--no-verify", "--no-convert", "--no-delimited", "--no-typeurl", "--no-service"],
];

function generateCodec(): Promise<string> {
  return new Promise((resolve, reject) => {
    pbjs.main([...pbjsOptions, proto], (error, output) => {
      if (error || output === undefined) reject(error ?? new Error("pbjs wrote nothing"));
      // Declarations cannot name what the module keeps to itself; schema.ts gives the types.
      else
        resolve(
          banner + watched(output).replace("export const onnx =", "/** @type {any} */\nexport const onnx ="),
        );
    });
  });
}

/**
 * The decoders tell a reader that wants to know (src/onnx/model-reader.ts) of every message, and leave packed tensor data
 * to it: as JavaScript arrays they take ten times the memory.
 */
function watched(codec: string): string {
  return codec
    .replace(
      /( +)message = _target \|\| new \$root\.onnx\.([\w.]+)\(\);\n/g,
      (line, indent: string, name) =>
        `${indent}if (reader.enter)\n${indent}    reader.enter("${name}");\n${line}`,
    )
    .replace(
      /reader\.\w+\(message\.(\w+Data)\);/g,
      (plain, field: string) =>
        `if (reader.packed)\n${" ".repeat(32)}reader.packed(message, "${field}");\n${" ".repeat(28)}else\n${" ".repeat(32)}${plain}`,
    );
}

const scalarTypes: Record<string, string> = {
  string: "string",
  bytes: "Uint8Array",
  float: "number",
  double: "number",
  int32: "number",
  int64: "Int64",
  uint64: "Int64",
};

/** "TypeProto.Tensor" as a TypeScript name: TypeProto_Tensor. */
const typeName = (type: protobuf.Type): string => type.fullName.replace(/^\.onnx\./, "").replaceAll(".", "_");

function fieldType(field: protobuf.Field): string {
  field.resolve();
  const single =
    field.resolvedType instanceof protobuf.Type
      ? typeName(field.resolvedType)
      : field.resolvedType instanceof protobuf.Enum
        ? "number"
        : scalarTypes[field.type];
  if (single === undefined) throw new Error(`no TypeScript type for ${field.fullName}: ${field.type}`);
  return field.repeated ? `${single}[]` : single;
}

function messagesOf(namespace: protobuf.NamespaceBase): protobuf.Type[] {
  return namespace.nestedArray.flatMap((nested) =>
    nested instanceof protobuf.Type ? [nested, ...messagesOf(nested)] : [],
  );
}

function describeInterface(type: protobuf.Type): string {
  const fields = type.fieldsArray.map((field) => `  ${field.name}?: ${fieldType(field)};\n`).join("");
  const packed = type.name === "TensorProto" ? "  $packed?: Partial<Record<string, Uint8Array[]>>;\n" : "";
  return `export interface ${typeName(type)} {\n${fields}  $unknowns?: Uint8Array[];\n${packed}}\n`;
}

async function generateSchema(): Promise<string> {
  const { root } = protobuf.parse(await readFile(proto, "utf8"));
  const messages = messagesOf(root.lookup("onnx") as protobuf.Namespace);
  const codecs = messages.map((type) => {
    const path = type.fullName.replace(/^\.onnx\./, "");
    return `  ${typeName(type)}: onnx.${path} as Codec<${typeName(type)}>,\n`;
  });
  const numbers = messages.map((type) => {
    const ids = type.fieldsArray.map((field) => field.id).sort((a, b) => a - b);
    return `  ${typeName(type)}: [${ids.join(", ")}],\n`;
  });
  return [
    banner,
    'import type { Reader, Writer } from "protobufjs";\nimport { onnx } from "./onnx.js";\n\n',
    "/** A 64-bit integer as two halves of 32 bits. */\n",
    "export interface Int64 {\n  low: number;\n  high: number;\n  unsigned: boolean;\n}\n\n",
    "export interface Codec<T> {\n  encode(message: T, writer?: Writer): Writer;\n",
    "  decode(reader: Reader | Uint8Array, length?: number): T;\n}\n\n",
    messages.map(describeInterface).join("\n"),
    `\nexport const codecs = {\n${codecs.join("")}};\n`,
    "\n/** Numbers of the fields that each message has. */\n",
    `export const fieldNumbers = {\n${numbers.join("")}} as const;\n\n`,
    "export type MessageName = keyof typeof fieldNumbers;\n",
  ].join("");
}

await writeFile(path.join(folder, "onnx.js"), await generateCodec());
await writeFile(path.join(folder, "schema.ts"), await generateSchema());
