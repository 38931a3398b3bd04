import { type ErrorKind, UserError } from "../errors.ts";

/** An error as plain data, to be handed between processes; `user` where it is a UserError. */
export interface ErrorRecord {
  message: string;
  stack: string | undefined;
  user: { code: string; kind: ErrorKind; where: string | undefined; hint: string | undefined } | undefined;
}

export function recordError(error: unknown): ErrorRecord {
  if (!(error instanceof Error)) return { message: String(error), stack: undefined, user: undefined };
  const user =
    error instanceof UserError
      ? { code: error.code, kind: error.kind, where: error.where, hint: error.hint }
      : undefined;
  return { message: error.message, stack: error.stack, user };
}

/** The error of another process: a UserError again where it was one. */
export function restoreError({ message, stack, user }: ErrorRecord): Error {
  const error =
    user === undefined
      ? new Error(message)
      : new UserError(user.code, user.kind, message, { where: user.where, hint: user.hint });
  if (stack !== undefined) error.stack = stack;
  return error;
}
