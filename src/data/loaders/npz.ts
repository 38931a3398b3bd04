import { unzipSync } from "fflate";
import { dataError } from "../../errors.ts";
import { memoryBytes, readWhole } from "../byte-source.ts";
import { type NpyArray, openNpy } from "./npy.ts";

/** The arrays of an .npz file by name. The file is unpacked into memory; use .npy for more data than fits. */
export async function openNpz(path: string): Promise<Map<string, NpyArray>> {
  const bytes = await readWhole(path);
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes, { filter: ({ name }) => name.endsWith(".npy") });
  } catch (error) {
    throw dataError(
      "npz",
      `The .npz file is not a zip archive or is damaged: ${error instanceof Error ? error.message : String(error)}`,
      path,
      "Write it with numpy.savez.",
    );
  }
  const arrays = new Map<string, NpyArray>();
  for (const [name, content] of Object.entries(entries)) {
    const where = `${path}, array "${name.slice(0, -4)}"`;
    arrays.set(name.slice(0, -4), await openNpy(memoryBytes(path, content), where));
  }
  if (arrays.size === 0)
    throw dataError("empty", "The .npz file holds no arrays", path, "Write it with numpy.savez.");
  return arrays;
}
