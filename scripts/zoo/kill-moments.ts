import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** When a process is killed. */
export interface Moment {
  /** Files that jobs write, in order: the kill comes when one is there of so many jobs; undefined: at any time. */
  file: string | undefined;
  count: number;
  /** Milliseconds after that. */
  delay: number;
}

/** Half of all kills come at any time of a run, the others about the time when a job writes what came of it. */
export function chooseMoment(random: () => number, jobs: number, runMilliseconds: number): Moment {
  const files = ["log.txt", "model.onnx", "report.json", "result.json"];
  if (random() < 0.5) return { file: undefined, count: 0, delay: random() * runMilliseconds };
  const file = files[Math.floor(random() * files.length)];
  return { file, count: 1 + Math.floor(random() * jobs), delay: random() ** 2 * 200 };
}

/** Milliseconds between two looks for a file. */
const interval = 3;

/** Waits for a moment, or for the end of what is to be killed. `folder`: that in which jobs lie. */
export async function waitFor(
  { file, count, delay }: Moment,
  folder: string,
  end: Promise<unknown>,
): Promise<void> {
  let ended = false;
  const over = end.then(() => {
    ended = true;
  });
  const has = (name: string): boolean => existsSync(join(folder, name, file ?? ""));
  const jobs = (): string[] => (existsSync(folder) ? readdirSync(folder) : []);
  while (file !== undefined && !ended && jobs().filter(has).length < count) await sleep(interval);
  await Promise.race([sleep(delay), over]);
}
