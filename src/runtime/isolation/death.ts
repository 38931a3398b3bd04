import { environmentError, type UserError } from "../../errors.ts";
import type { Request } from "./messages.ts";

/** The error of a call during which the process that ran ONNX Runtime ended. `output`: what it printed. */
export function explainDeath(
  code: number | null,
  signal: string | null,
  output: string,
  request: Request | undefined,
): UserError {
  const [, limit] = /^efqat-limit (\w+)$/m.exec(output) ?? [];
  const during = request?.type === "load" ? "loading the model" : "running the model";
  const where = request?.type === "load" ? request.path : undefined;
  if (limit === "memory") {
    return environmentError(
      "runtime-memory",
      `ONNX Runtime took more than ${gigabytes(request?.limits.memoryBytes)} of memory while ${during}`,
      where,
      "The model computes far larger values than its file holds, or the batch is too large for this machine: give a smaller --batch, or free memory.",
    );
  }
  if (limit === "time") {
    return environmentError(
      "runtime-time",
      `ONNX Runtime did not come to an end within ${Math.round(request?.limits.seconds ?? 0)} seconds while ${during}`,
      where,
      "The model may hold a loop that does not end; export it with fixed numbers of iterations.",
    );
  }
  const how = signal === null ? `exit code ${code ?? "unknown"}` : `signal ${signal}`;
  const last = output.split("\n").findLast((line) => line.trim() !== "");
  return environmentError(
    "runtime-crash",
    `ONNX Runtime crashed (${how}) while ${during}${last === undefined ? "" : `: ${last.trim().slice(0, 300)}`}`,
    where,
    "The model asks for something that the runtime cannot do, or the machine ran out of memory; check the shapes and sizes in the model, or export it again.",
  );
}

const gigabytes = (bytes = 0): string => `${(bytes / 1e9).toFixed(1)} GB`;
