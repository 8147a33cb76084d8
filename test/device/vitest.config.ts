import { defineConfig } from "vitest/config";

/** `npm run test:device`: a node on GPIO lines of a real kernel, in QEMU. Skipped with a reason where that cannot be. */
// biome-ignore lint/style/noDefaultExport: vitest wants it so
export default defineConfig({
  test: {
    include: ["test/device/**/*.test.ts"],
    globalSetup: ["test/setup/build.ts", "test/device/setup.ts"],
    testTimeout: 60_000,
    // The guests run at once, and this long at most.
    hookTimeout: 960_000,
    maxWorkers: 1,
  },
});
