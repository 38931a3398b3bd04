import { childModule } from "../zoo/index.ts";

/** The process that runs one command line of efqat for a zoo. */
export const jobModule = (): ReturnType<typeof childModule> => childModule("zoo-job", import.meta.url);
