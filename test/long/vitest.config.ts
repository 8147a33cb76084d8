import { defineConfig } from "vitest/config";

/** `npm run test:faults`: the fault tests of every commit, longer. Not part of `npm test`. */
// biome-ignore lint/style/noDefaultExport: vitest wants it so
export default defineConfig({
  test: {
    include: ["test/long/**/*.test.ts"],
    globalSetup: "test/setup/build.ts",
    pool: "forks",
    maxWorkers: 2,
  },
});
