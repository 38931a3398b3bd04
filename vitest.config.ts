import { resolve } from "node:path";
import { defineConfig } from "vitest/config";
import { SkipReporter } from "./test/support/skip-reporter.ts";

export default defineConfig({
  resolve: {
    alias: [
      // Processes that tests start run compiled JavaScript.
      {
        find: /^.*\/child-module\.ts$/,
        replacement: resolve(import.meta.dirname, "test/support/child-module.ts"),
      },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", new SkipReporter()],
    globalSetup: "test/support/compile-sources.ts",
    pool: "forks",
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Many tests wait for processes of their own; the default leaves one of two cores idle.
    maxWorkers: 2,
  },
});
