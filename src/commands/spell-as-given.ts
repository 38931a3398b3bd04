import { SeveralErrors, UserError } from "../errors.ts";
import { commands } from "./index.ts";

/** An error that calls options as `args` do, where these have another name of an option. */
export function spellAsGiven(error: unknown, args: readonly string[]): unknown {
  const renamed = commands
    .flatMap(({ options }) => Object.entries(options))
    .filter(([, { alias }]) => args.some((arg) => alias !== undefined && arg.split("=")[0] === `--${alias}`));
  if (!(error instanceof UserError) || renamed.length === 0) return error;
  const names = new Map(renamed.map(([name, { alias }]) => [`--${name}`, `--${alias}`]));
  const spell = <T extends string | undefined>(text: T): T =>
    text?.replace(/--[a-z0-9-]+/g, (name) => names.get(name) ?? name) as T;
  const respell = ({ code, kind, message, where, hint, cause }: UserError): UserError =>
    new UserError(code, kind, spell(message), { where: spell(where), hint: spell(hint), cause });
  if (!(error instanceof SeveralErrors)) return respell(error);
  const [first, ...others] = error.errors.map(respell);
  return first === undefined ? error : new SeveralErrors([first, ...others]);
}
