import { defineConfig } from "vitest/config";

/** `npm run test:systemd`: the service under a real systemd, in a machine of systemd-nspawn. Skipped with a reason where that cannot be. */
// biome-ignore lint/style/noDefaultExport: vitest wants it so
export default defineConfig({
  test: {
    include: ["test/systemd/**/*.test.ts"],
    globalSetup: ["test/setup/build.ts", "test/setup/fault-rows.ts"],
    testTimeout: 600_000,
    hookTimeout: 900_000,
    maxWorkers: 1,
  },
});
