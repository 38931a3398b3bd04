import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Many tests wait for processes of their own; the default leaves one of two cores idle.
    maxWorkers: 2,
  },
});
