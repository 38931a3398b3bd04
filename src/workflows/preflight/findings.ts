import { severalErrors, UserError } from "../../errors.ts";

/** Errors that checks found, so that all that can be known is said at once. */
export class Findings {
  readonly #errors: UserError[] = [];

  /** What `check` gives; undefined where it throws a UserError, which is kept. Other errors pass. */
  async attempt<T>(check: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await check();
    } catch (error) {
      if (!(error instanceof UserError) || error.kind === "interrupted") throw error;
      this.#errors.push(error);
      return undefined;
    }
  }

  /** Throws one error for all that was found, if anything was. */
  throwAny(): void {
    if (this.#errors.length > 0) throw severalErrors(this.#errors);
  }
}
