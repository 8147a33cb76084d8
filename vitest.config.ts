import { defineConfig } from "vitest/config";

// Tests that start the built program wait for windows of 10 s most of the time: many of them at once cost little.
const NODE_TESTS = ["test/integration/node/**/*.test.ts", "test/promises/**/*.test.ts"];
const NODE_TESTS_AT_ONCE = 6;

const common = { testTimeout: 30_000, pool: "forks" } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: "parts",
          include: ["test/**/*.test.ts"],
          exclude: [
            "test/faults/**",
            "test/cluster/**",
            "test/privacy/**",
            "test/systemd/**",
            "test/device/**",
            "test/soak/**",
            "test/street/real/**",
            "node_modules/**",
            ...NODE_TESTS,
          ],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: "node",
          include: NODE_TESTS,
          globalSetup: "test/setup/build.ts",
          maxWorkers: NODE_TESTS_AT_ONCE,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
