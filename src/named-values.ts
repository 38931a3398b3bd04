/**
 * An object for values by names that come out of files. It inherits nothing, so that "constructor" is no name that it has,
 * and "__proto__" one that it can have.
 */
export const namedValues = <T>(): Record<string, T> => Object.create(null) as Record<string, T>;
