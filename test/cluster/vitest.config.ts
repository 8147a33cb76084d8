import { defineConfig } from "vitest/config";

/** `npm run test:cluster`: against a cluster of three brokers. Not part of `npm test`: it takes minutes, and rabbitmq-server. */
// biome-ignore lint/style/noDefaultExport: vitest wants it so
export default defineConfig({
  test: { include: ["test/cluster/**/*.test.ts"], testTimeout: 600_000, pool: "forks", maxWorkers: 1 },
});
