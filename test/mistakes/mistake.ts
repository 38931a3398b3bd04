/** A typical mistake as data: what is typed, and what must come of it. */
export interface Mistake {
  /** What goes wrong, in a few words. */
  what: string;
  /**
   * The command line without "efqat"; words are separated by spaces, and "@" stands for the user's folder, of which every
   * row gets a fresh copy: see user-folder.ts for what lies in it.
   */
  line: string;
  /** What must be true of the folder besides; runs before the command. */
  before?: (folder: string) => void | Promise<void>;
  exitCode: number;
  /** What the message has to say: what happened, where, and what to do. "@" stands for the folder. */
  says: readonly (string | RegExp)[];
  /** Files that the command may write all the same, relative to the folder: reports of the failure, mostly. */
  writes?: readonly string[];
  /** The error cannot be known before work on samples has begun. */
  late?: true;
}
