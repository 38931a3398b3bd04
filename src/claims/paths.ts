/** What a command reads and writes, as it is asked for. */

/** A file or folder that a command reads. */
export interface ReadPath {
  /** How messages call it: "the input model", "the labels". */
  name: string;
  path: string;
  /** For a folder: whether a file of this name in it is read. Default: none is. */
  holds?: (name: string) => boolean;
}

/** A file that a command writes. */
export interface WrittenFile {
  /** The option that names it. */
  option: string;
  path: string;
  /** It may be a device or a pipe of the process (/dev/null, /dev/stdout), which is then written to as it is. */
  stream?: boolean;
  /** Removes what killed runs may have left beside it, besides temporary files. */
  sweep?: (file: string) => Promise<void>;
}

/** A folder that a command writes files into, which it makes where it is missing. */
export interface WrittenFolder {
  option: string;
  path: string;
  /** Names of what is written there; other files in it stay as they are. */
  files: readonly string[];
  /** Several commands may write into it at a time. */
  shared?: boolean;
  /** A folder that holds something is refused without this file, or unless all that it holds is in `files`. */
  mark?: string;
  /** What it holds is guarded by the command itself, not by --no-clobber. */
  guarded?: boolean;
}

export interface CommandPaths {
  reads: readonly ReadPath[];
  files: readonly WrittenFile[];
  folders: readonly WrittenFolder[];
}
