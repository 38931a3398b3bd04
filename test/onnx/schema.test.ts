import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { dataTypes } from "../../src/tensor/data-type.ts";
import { codecs, fieldNumbers } from "../../src/onnx/proto/schema.ts";

type Field = [number: number, type: string, repeated: boolean, packed: boolean, oneof: string | null];
interface Schema {
  onnx: string;
  messages: Record<string, Record<string, Field>>;
  enums: Record<string, Record<string, number>>;
}

const ours = parseSchema(await readFile("proto/onnx.proto", "utf8"));
const theirs = JSON.parse(await readFile("fixtures/onnx-schema/schema.json", "utf8")) as Schema;

function parseSchema(text: string): Omit<Schema, "onnx"> {
  const { root } = protobuf.parse(text, { keepCase: true });
  const schema: Omit<Schema, "onnx"> = { messages: {}, enums: {} };
  root.resolveAll();
  const visit = (namespace: protobuf.NamespaceBase): void => {
    for (const nested of namespace.nestedArray) {
      if (nested instanceof protobuf.Enum) schema.enums[nested.fullName.slice(1)] = { ...nested.values };
      if (nested instanceof protobuf.Type) {
        schema.messages[nested.fullName.slice(1)] = Object.fromEntries(
          nested.fieldsArray.map((field) => [field.name, describeField(field)]),
        );
        visit(nested);
      }
    }
  };
  visit(root.lookup("onnx") as protobuf.Namespace);
  return schema;
}

function describeField(field: protobuf.Field): Field {
  const type = field.resolvedType?.fullName.slice(1) ?? field.type;
  return [field.id, type, field.repeated, field.repeated && field.packed, field.partOf?.name ?? null];
}

describe("proto/onnx.proto against the descriptor of Python onnx", () => {
  test("has the same messages", () => {
    expect(Object.keys(ours.messages).sort()).toEqual(Object.keys(theirs.messages).sort());
  });

  test.each(Object.keys(theirs.messages))("%s has the same fields", (name) => {
    expect(ours.messages[name]).toEqual(theirs.messages[name]);
  });

  test("has the same enums", () => {
    expect(ours.enums).toEqual(theirs.enums);
  });

  test("names the version that the fixture was made with", async () => {
    const [major, minor] = theirs.onnx.split(".");
    expect(await readFile("proto/onnx.proto", "utf8")).toContain(`as of onnx ${major}.${minor} `);
  });
});

describe("the generated module", () => {
  test("is what the generator makes of proto/onnx.proto", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "efqat-proto-"));
    await execa(process.execPath, ["--import", "tsx", "scripts/generate-proto.ts", folder]);
    for (const file of ["onnx.js", "schema.ts"])
      expect(await readFile(path.join(folder, file), "utf8")).toBe(
        await readFile(`src/onnx/proto/${file}`, "utf8"),
      );
    await rm(folder, { recursive: true });
  });

  test("knows the field numbers of every message", () => {
    const expected = Object.fromEntries(
      Object.entries(theirs.messages).map(([name, fields]) => [
        name.replace(/^onnx\./, "").replaceAll(".", "_"),
        Object.values(fields)
          .map(([number]) => number)
          .sort((a, b) => a - b),
      ]),
    );
    expect(fieldNumbers).toEqual(expected);
    expect(Object.keys(codecs).sort()).toEqual(Object.keys(expected).sort());
  });

  test("element types are those of TensorProto.DataType", () => {
    const codes = Object.values(dataTypes).map(({ code }) => code);
    const { UNDEFINED, ...expected } = theirs.enums["onnx.TensorProto.DataType"] ?? {};
    expect(UNDEFINED).toBe(0);
    expect(codes.sort((a, b) => a - b)).toEqual(Object.values(expected).sort((a, b) => a - b));
  });
});
