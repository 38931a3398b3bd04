import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomically } from "../../atomic-file.ts";
import { childModule } from "../../runtime/child-module.ts";
import { version } from "../../version.ts";
import { hashOf, parseJson } from "../jobs/content-hash.ts";
import type { Cause } from "../jobs/job.ts";
import { type ProcessEnd, runProcess } from "../process/run-process.ts";
import { type Look, lookSchema } from "./look.ts";

const keptSchema = z.object({
  version: z.string(),
  states: z.record(z.string(), z.string()),
  look: lookSchema,
});

/** Seconds that looking at a model may take, and bytes besides twice its size. */
const [longestLook, lookBytes] = [300, 3e9];

/** Looks at models, each in a process of its own, and keeps what was seen until a file of the model changes. */
export class Looks {
  readonly #folder: string;
  readonly #signal: AbortSignal;

  constructor(folder: string, signal: AbortSignal) {
    this.#folder = folder;
    this.#signal = signal;
  }

  async at(model: string, recipe: string): Promise<Look> {
    const file = join(this.#folder, `${hashOf([model, recipe]).slice(0, 32)}.json`);
    const kept = keptSchema.safeParse(parseJson(await readFile(file, "utf8").catch(() => ""))).data;
    if (kept?.version === version && (await isUnchanged(kept.states))) return kept.look;
    const before = await stateOf(model);
    const look = await this.#look(model, recipe);
    const states: Record<string, string> = { [model]: before };
    for (const path of look.ok ? look.files : []) states[path] = await stateOf(path);
    await mkdir(this.#folder, { recursive: true });
    const text = JSON.stringify({ version, states, look });
    await writeFileAtomically(file, async (handle) => handle.writeFile(text));
    return look;
  }

  async #look(model: string, recipe: string): Promise<Look> {
    const { size } = await stat(model).catch(() => ({ size: 0 }));
    let look: Look | undefined;
    const end = await runProcess({
      module: childModule("look-child", import.meta.url),
      task: { model, recipe },
      cwd: process.cwd(),
      limits: { seconds: longestLook, memoryBytes: lookBytes + 2 * size },
      signal: this.#signal,
      onMessage: (message) => (look = lookSchema.safeParse(message).data),
    });
    this.#signal.throwIfAborted();
    return look ?? { ok: false, cause: explainEnd(end) };
  }
}

function explainEnd({ kind, signal, code, output }: ProcessEnd): Cause {
  const last = output.split("\n").findLast((line) => line.trim() !== "") ?? "";
  if (kind === "time") return { code: "job/time", what: `Reading the model took over ${longestLook} s` };
  if (kind === "memory") return { code: "job/memory", what: "Reading the model took too much memory" };
  return {
    code: "job/crashed",
    what: `The process that read the model ended (${signal ?? `exit code ${code ?? "unknown"}`}) ${last}`.trim(),
  };
}

async function isUnchanged(states: Readonly<Record<string, string>>): Promise<boolean> {
  for (const [path, state] of Object.entries(states)) if ((await stateOf(path)) !== state) return false;
  return true;
}

const stateOf = (path: string): Promise<string> =>
  stat(path, { bigint: true }).then(
    ({ size, mtimeNs, ino }) => `${size}:${mtimeNs}:${ino}`,
    () => "missing",
  );
