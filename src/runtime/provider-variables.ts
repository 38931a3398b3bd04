/**
 * Sets the variables that libraries of an execution provider read from the environment when they start, and nowhere else.
 * Beside silence-telemetry.ts the one place outside of cli/ that touches the environment; processes that are started inherit it.
 */
export function setProviderVariables(variables: Readonly<Record<string, string>>): void {
  Object.assign(process.env, variables);
}
