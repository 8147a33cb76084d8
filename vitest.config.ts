import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// Tests that start the built program wait for windows of 10 s most of the time: many of them at once cost little.
const NODE_TESTS = ["test/integration/node/**/*.test.ts", "test/promises/**/*.test.ts"];
const NODE_TESTS_AT_ONCE = 6;

const common = { testTimeout: 30_000, hookTimeout: 60_000, pool: "forks" } as const;
// A start of the program is a second on a machine with a lot else to do, and some tests have ten. What is promised has bounds of its own.
const NODE_TEST_MS = 120_000;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: "parts",
          // By itself vitest leaves one core free, which on a machine of two is half of it.
          maxWorkers: availableParallelism(),
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
          testTimeout: NODE_TEST_MS,
          include: NODE_TESTS,
          globalSetup: "test/setup/build.ts",
          maxWorkers: NODE_TESTS_AT_ONCE,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
