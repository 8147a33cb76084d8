import { defineConfig } from "vitest/config";

/** `npm run test:soak`: half an hour of a hundredfold load. */
// biome-ignore lint/style/noDefaultExport: vitest wants it so
export default defineConfig({
  test: { include: ["test/soak/**/*.test.ts"], globalSetup: ["test/setup/build.ts", "test/setup/fault-rows.ts"], pool: "forks" },
});
