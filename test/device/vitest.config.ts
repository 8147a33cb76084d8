import { defineConfig } from "vitest/config";

/** `npm run test:device`: a node on GPIO lines of a real kernel, in QEMU. Skipped with a reason where that cannot be. */
// biome-ignore lint/style/noDefaultExport: vitest wants it so
export default defineConfig({
  test: {
    include: ["test/device/**/*.test.ts"],
    globalSetup: ["test/setup/build.ts"],
    testTimeout: 60_000,
    // The kernel is built where the lab is asked for; a guest is waited for here.
    hookTimeout: 960_000,
    maxWorkers: 1,
  },
});
