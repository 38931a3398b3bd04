import type { FunctionDef } from "../ir/model.ts";
import { decodeAttribute, decodeNode } from "./decode-graph.ts";
import { decodeEntries } from "./decode-tensor.ts";
import { decodeValue } from "./decode-type.ts";
import type { FunctionProto, OperatorSetIdProto } from "./proto/schema.ts";
import { aliasedOpset, explicitOpset } from "./spelling.ts";
import { decodeError, encodedPart, exportAgain, isPresent, safeNumberOf, type Source } from "./wire.ts";

/** Operator set versions by domain. "ai.onnx" is the default domain's other name, and read as "". */
export function decodeOpsets(
  messages: readonly OperatorSetIdProto[] | undefined,
  source: Source,
  place: string,
): { opsets: Map<string, number>; explicitDefaults: string[] } {
  const opsets = new Map<string, number>();
  const explicitDefaults: string[] = [];
  for (const message of messages ?? []) {
    const domain = message.domain === "ai.onnx" ? "" : (message.domain ?? "");
    const version = message.version === undefined ? 0 : safeNumberOf(message.version);
    if (version === undefined || (opsets.has(domain) && opsets.get(domain) !== version)) {
      const what = `The operator set versions of domain "${domain}" make no sense or contradict each other`;
      throw decodeError(source, "opset", what, place, exportAgain);
    }
    opsets.set(domain, version);
    if (message.domain === "ai.onnx") explicitDefaults.push(aliasedOpset);
    else if (message.domain === "" && isPresent(message, "domain")) explicitDefaults.push(explicitOpset);
  }
  return { opsets, explicitDefaults };
}

export function decodeFunction(message: FunctionProto, source: Source): FunctionDef {
  const place = `function "${message.domain ?? ""}::${message.name ?? ""}"`;
  const { opsets, explicitDefaults } = decodeOpsets(message.opsetImport, source, place);
  const values = (message.valueInfo ?? []).map((value) => decodeValue(value, source, `${place}, value`));
  const defaults = message.attributeProto ?? [];
  const encoded = encodedPart(
    "FunctionProto",
    message,
    ["name", "domain", "overload", "docString"],
    source,
    place,
  );
  const spelled = [...(encoded.explicitDefaults ?? []), ...explicitDefaults];
  return {
    name: message.name ?? "",
    domain: message.domain ?? "",
    overload: message.overload ?? "",
    docString: message.docString ?? "",
    inputs: message.input ?? [],
    outputs: message.output ?? [],
    attributeNames: message.attribute ?? [],
    attributeDefaults: new Map(
      defaults.map((attribute) => {
        const name = attribute.name ?? "";
        return [name, decodeAttribute(attribute, source, `${place}, attribute "${name}"`)];
      }),
    ),
    nodes: (message.node ?? []).map((node, i) => decodeNode(node, source, `${place}, node ${i}`)),
    opsets,
    valueInfo: new Map(values.map((value) => [value.name, value])),
    metadata: decodeEntries(message.metadataProps),
    ...encoded,
    ...(spelled.length > 0 ? { explicitDefaults: spelled } : {}),
  };
}
