import { usageError } from "../../errors.ts";
import { generic } from "./generic.ts";
import { openvino } from "./openvino.ts";
import { ortCpuNoVnni } from "./ort-cpu-no-vnni.ts";
import { ortCpu } from "./ort-cpu.ts";
import { ortWeb } from "./ort-web.ts";
import { qnn } from "./qnn.ts";
import type { Target } from "./target.ts";
import { tensorrt } from "./tensorrt.ts";

/** Runtimes that files are written for; the first is the default. A new one is a file and a row here. */
export const targets: readonly Target[] = [
  ...[ortCpu, ortCpuNoVnni, ortWeb, openvino, tensorrt, qnn, generic],
];

/**
 * The target of this name; an object is returned as it is.
 * @throws UserError usage/target for a name that is unknown.
 */
export function targetNamed(target: Target | string = ortCpu): Target {
  if (typeof target !== "string") return target;
  const found = targets.find(({ name }) => name === target);
  if (found !== undefined) return found;
  throw usageError(
    "target",
    `There is no target "${target}"`,
    "--target",
    `Known: ${targets.map(({ name }) => name).join(", ")}; \`efqat targets\` describes them.`,
  );
}
