import { UserError } from "../../src/errors.ts";

/** The UserError that `action` throws; anything else, or nothing, fails the test. */
export async function catchUserError(action: () => unknown): Promise<UserError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("expected a UserError, but nothing was thrown");
}
