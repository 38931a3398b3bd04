import { execa } from "execa";
import { findPython } from "./run-python.ts";

export interface PythonInstallation {
  interpreter: string;
  version: string;
  /** Packages of exporters that it finds; none is loaded. */
  packages: string[];
}

const packages = ["torch", "onnx", "onnxscript", "transformers", "tensorflow", "tf2onnx"];

const script = [
  "import importlib.util, platform",
  "print(platform.python_version())",
  `print(*[p for p in ${JSON.stringify(packages)} if importlib.util.find_spec(p)])`,
].join("\n");

/** What a Python has of what exporters need; undefined where there is none. */
export async function describePython(asked: string | undefined): Promise<PythonInstallation | undefined> {
  const interpreter = await findPython(asked).catch(() => undefined);
  if (interpreter === undefined) return undefined;
  const { stdout, failed } = await execa(interpreter, ["-c", script], {
    reject: false,
    timeout: 20_000,
    stdin: "ignore",
  });
  if (failed) return undefined;
  const [version = "", found = ""] = stdout.split(/\r?\n/);
  return { interpreter, version, packages: found.split(" ").filter((name) => name !== "") };
}
