import { execFileSync } from "node:child_process";
import { existsSync, linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HostileModel } from "./model.ts";
import { withTensor } from "./structure.ts";
import { field, number } from "./wire.ts";

/** A weight [rows, 4] whose data lie elsewhere, by these entries. */
const outside = (entries: Record<string, string>, dims: readonly number[] = [4, 4]): Uint8Array =>
  withTensor(
    Buffer.concat([
      ...dims.map((dim) => number(1, dim)),
      number(2, 1),
      field(8, "w"),
      ...Object.entries(entries).map(([key, value]) =>
        field(13, Buffer.concat([field(1, key), field(2, value)])),
      ),
      number(14, 1),
    ]),
  );

/** A data file of 64 bytes in the folder, and ways out of it. */
function layOut(folder: string): void {
  const weights = join(folder, "weights.bin");
  if (existsSync(weights)) return;
  writeFileSync(weights, new Uint8Array(new Float32Array(16).fill(1).buffer));
  writeFileSync(join(folder, "hole.bin"), "");
  truncateSync(join(folder, "hole.bin"), 16e9);
  mkdirSync(join(folder, "folder"));
  symlinkSync("/dev/zero", join(folder, "device"));
  symlinkSync("..", join(folder, "up"));
  symlinkSync("/etc/hostname", join(folder, "link"));
  linkSync(weights, join(folder, "hard"));
  if (process.platform !== "win32") execFileSync("mkfifo", [join(folder, "fifo")]);
}

const entries: Record<string, Record<string, string>> = {
  "parent-folder": { location: "../weights.bin" },
  "parent-of-sub-folder": { location: "folder/../../weights.bin" },
  absolute: { location: "/etc/passwd", length: "64" },
  "absolute-device": { location: "/dev/zero", length: "64" },
  "windows-path": { location: "..\\weights.bin" },
  "zero-byte": { location: "weights.bin\0" },
  nothing: { location: "" },
  dot: { location: "." },
  folder: { location: "folder" },
  missing: { location: "nope" },
  link: { location: "link" },
  "link-to-folder": { location: "up/weights.bin" },
  fifo: { location: "fifo" },
  device: { location: "device" },
  "offset-2^63": { location: "weights.bin", offset: "9223372036854775807", length: "64" },
  "offset-negative": { location: "weights.bin", offset: "-64" },
  "offset-hexadecimal": { location: "weights.bin", offset: "0x10" },
  "offset-at-end": { location: "weights.bin", offset: "64" },
  "length-1e20": { location: "weights.bin", length: "99999999999999999999" },
  "length-1": { location: "weights.bin", length: "1" },
};

export const external: HostileModel[] = [
  ...Object.entries(entries).map(([name, given]) => ({
    name: `external-${name}`,
    bytes: () => outside(given),
    beside: layOut,
    answer: "model/external-data",
  })),
  ...["weights.bin", "hard"].map((location) => ({
    name: `external-${location}`,
    bytes: () => outside({ location }),
    beside: layOut,
    answer: "ok",
    data: [8, 4],
  })),
  {
    name: "external-hole-of-16gb",
    bytes: () => outside({ location: "hole.bin" }, [4, 1e9]),
    beside: layOut,
    answer: "model/external-data",
  },
];
