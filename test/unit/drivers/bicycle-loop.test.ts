import { expect, it } from "vitest";
import createBicycleLoop from "../../../drivers/bicycle-loop/driver.ts";
import { monotonicMs } from "../../../src/core/units/time.ts";
import { driverApi } from "../../../src/driver-api/api.ts";
import { type Answer, recordingSink } from "../../../src/driver-api/golden.ts";

const NS_PER_MS = 1_000_000n;
const HOUR_MS = 3_600_000;

it("counts on when the clock behind the stamps was set back", () => {
  const driver = createBicycleLoop(driverApi);
  const session = driver.start(driver.options.parse({}));
  const answers: Answer[] = [];
  const sink = recordingSink((answer) => answers.push(answer));
  const passes = (stampMs: number): void => {
    for (const [line, afterMs] of [
      ["first", 0],
      ["second", 200],
    ] as const) {
      const atNs = BigInt(stampMs + afterMs) * NS_PER_MS;
      session.handle({ type: "edge", line, rising: false, atNs, atMs: monotonicMs(stampMs + afterMs) }, sink);
    }
  };
  passes(2 * HOUR_MS);
  passes(HOUR_MS);
  passes(HOUR_MS + 10_000);
  expect(answers.filter(({ call }) => call === "passage")).toHaveLength(3);
});
