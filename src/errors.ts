/**
 * Diagnostics. A {@link UserError} is something the user can act on: what happened, where, what to do.
 * Anything else that escapes is a bug and is reported as internal. One factory per code, sorted.
 */

/** Exit codes of the command line, by kind of failure; documented in `efqat --help`. */
export const exitCodes = {
  ok: 0,
  internal: 1,
  usage: 2,
  input: 3,
  environment: 4,
  verification: 5,
  findings: 6,
  interrupted: 130,
} as const;

/** What a failure is of, which the exit code of the command line tells. */
export type ErrorKind = Exclude<keyof typeof exitCodes, "ok">;

/** An error with a remedy. `where` names the node, tensor, file or option; `hint` says what to do. */
export class UserError extends Error {
  /** What went wrong, in a word that stays the same: "label-range". */
  readonly code: string;
  /** What the failure is of. */
  readonly kind: ErrorKind;
  /** The node, tensor, file or option. */
  readonly where: string | undefined;
  /** What to do. */
  readonly hint: string | undefined;

  /** `what`: what happened, a sentence without its full stop. */
  constructor(
    code: string,
    kind: ErrorKind,
    what: string,
    details: { where?: string | undefined; hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(what, details.cause === undefined ? {} : { cause: details.cause });
    this.name = "UserError";
    this.code = code;
    this.kind = kind;
    this.where = details.where;
    this.hint = details.hint;
  }

  /** The one-paragraph form that the command line prints. */
  toParagraph(): string {
    const where = this.where === undefined ? "" : ` (${this.where})`;
    const hint = this.hint === undefined ? "" : ` ${this.hint}`;
    const what = `${this.message}${where}`;
    return `${what}${what.endsWith(".") ? "" : "."}${hint}`;
  }
}

/** Several errors that were found together. Its kind is that of the first. */
export class SeveralErrors extends UserError {
  readonly errors: readonly UserError[];

  constructor(errors: readonly [UserError, ...UserError[]]) {
    const what = errors.map((error) => error.toParagraph()).join(" ");
    super("several", errors[0].kind, `${errors.length} problems: ${what}`);
    this.name = "SeveralErrors";
    this.errors = errors;
  }
}

/** The code of an error of the operating system ("ENOENT"); undefined for others. */
export function systemCodeOf(error: unknown): string | undefined {
  if (error instanceof UserError || !(error instanceof Error) || !("code" in error)) return undefined;
  // An aborted signal's reason has a number there.
  return typeof error.code === "string" ? error.code : undefined;
}

/** A broken invariant of our own: a bug, never the user's fault. */
export class InternalError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(`internal: ${message}`, options);
    this.name = "InternalError";
  }
}

/** Bad data handed in by the user: samples, labels, shapes. */
export function dataError(code: string, what: string, where?: string, hint?: string): UserError {
  return new UserError(`data/${code}`, "input", what, { where, hint });
}

/** Something the machine lacks: a provider, disk space, a permission. */
export function environmentError(
  code: string,
  what: string,
  where?: string,
  hint?: string,
  cause?: unknown,
): UserError {
  return new UserError(`environment/${code}`, "environment", what, { where, hint, cause });
}

/**
 * A training run that was asked to stop, with a checkpoint in `directory`. `again`: steps taken since that, when there was
 * no time to write another.
 */
export function interruptedError(steps: number, directory: string, again = 0): UserError {
  const repeated =
    again > 0 ? `; it takes the ${again} after these again, since a step took too long to wait for` : "";
  return new UserError(
    "interrupted/training",
    "interrupted",
    `Training was interrupted after ${steps} steps${repeated}`,
    {
      where: directory,
      hint: "Go on from the checkpoint there with --resume.",
    },
  );
}

/** A model file or graph that cannot be used: not ONNX, truncated, cyclic, NaN in weights, path outside the folder. */
export function modelError(
  code: string,
  what: string,
  where?: string,
  hint?: string,
  cause?: unknown,
): UserError {
  return new UserError(`model/${code}`, "input", what, { where, hint, cause });
}

/** One error for all that was found: the error itself where there is one. */
export function severalErrors(errors: readonly UserError[]): UserError {
  const flat = errors.flatMap((error) => (error instanceof SeveralErrors ? error.errors : [error]));
  const [first, ...rest] = flat;
  if (first === undefined) throw new InternalError("no errors to report");
  return rest.length === 0 ? first : new SeveralErrors([first, ...rest]);
}

/** An operator or a feature of the graph that a stage cannot handle. */
export function unsupportedError(code: string, what: string, where?: string, hint?: string): UserError {
  return new UserError(`unsupported/${code}`, "input", what, { where, hint });
}

/** A wrong option value. */
export function usageError(code: string, what: string, where?: string, hint?: string): UserError {
  return new UserError(`usage/${code}`, "usage", what, { where, hint });
}

/** The result was produced but does not hold what it promises (agreement of the exported file, say). */
export function verificationError(code: string, what: string, where?: string, hint?: string): UserError {
  return new UserError(`verification/${code}`, "verification", what, { where, hint });
}
