import { defineConfig } from "vitest/config";

/** `npm run test:faults`: the fault tests that are too long for every commit. What they saw is written into the README's table. */
// biome-ignore lint/style/noDefaultExport: vitest wants it so
export default defineConfig({
  test: {
    include: ["test/faults/**/*.test.ts"],
    globalSetup: ["test/setup/build.ts", "test/setup/fault-rows.ts"],
    testTimeout: 600_000,
    pool: "forks",
    maxWorkers: 2,
  },
});
