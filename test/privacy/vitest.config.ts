import { defineConfig } from "vitest/config";

/** `npm run test:privacy`: the privacy tests of every commit in their published size. Not part of `npm test`. */
// biome-ignore lint/style/noDefaultExport: vitest wants it so
export default defineConfig({
  test: {
    include: ["test/privacy/**/*.test.ts"],
    globalSetup: "test/setup/build.ts",
    testTimeout: 1_800_000,
    pool: "forks",
    maxWorkers: 2,
  },
});
