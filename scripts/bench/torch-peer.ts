import { execa, type ResultPromise } from "execa";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

interface Reply {
  ms: number;
  /** Largest resident memory so far. */
  peakBytes: number;
  /** Processor time of all its threads so far. */
  processorMs: number;
}

/** A Python process that runs the PyTorch side of a benchmark, one request at a time. */
export class TorchPeer {
  readonly version: string;
  readonly #child: TorchChild;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: TorchChild, lines: AsyncIterator<string>, version: string) {
    this.#child = child;
    this.#lines = lines;
    this.version = version;
  }

  /** Starts one of the Python scripts beside this file, or resolves to the reason where Python has no torch or onnx. */
  static async start(
    file: "torch_qat.py" | "torch_depthwise.py",
    args: readonly string[],
    threads: number,
  ): Promise<TorchPeer | string> {
    const python = process.env["EFQAT_PYTHON"] ?? "python3";
    const probe = await execa(python, ["-c", "import torch, onnx, numpy"], { reject: false });
    if (probe.exitCode !== 0)
      return `${python} cannot import torch and onnx (set EFQAT_PYTHON to one that can)`;
    const script = fileURLToPath(new URL(file, import.meta.url));
    const child = execa(python, [script, ...args, "--threads", String(threads)], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
      buffer: false,
    });
    child.catch(() => undefined);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done === true) return "the PyTorch side stopped while it was being set up";
    const { torch } = JSON.parse(first.value) as { torch: string };
    return new TorchPeer(child, lines, torch);
  }

  /** Runs one request and returns the milliseconds that the other side measured, and what it has used so far. */
  async request(what: "forward" | "step" | "nothing" | Readonly<Record<string, number>>): Promise<Reply> {
    this.#child.stdin.write(`${JSON.stringify(typeof what === "string" ? { do: what } : what)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error("the PyTorch side of the benchmark stopped");
    return JSON.parse(line.value) as Reply;
  }

  stop(): void {
    this.#child.stdin.end();
    this.#child.kill();
  }
}

type TorchChild = ResultPromise<{ stdin: "pipe"; stdout: "pipe"; stderr: "inherit"; buffer: false }>;
