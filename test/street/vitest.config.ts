import { defineConfig } from "vitest/config";

/** `npm run test:street`: a whole street in real time. */
// biome-ignore lint/style/noDefaultExport: vitest wants it so
export default defineConfig({
  test: { include: ["test/street/real/**/*.test.ts"], globalSetup: ["test/setup/build.ts"], pool: "forks" },
});
