import { expect, it } from "vitest";
import { compareExactly } from "../../../../src/testing/simulation/exactness.ts";
import type { HeardSummary } from "../../../../src/testing/simulation/observation.ts";
import { StreetLog } from "../../../../src/testing/simulation/street-log.ts";

const heard = (kind: string, stats: HeardSummary["stats"]): HeardSummary => ({
  text: "",
  id: "x",
  instance: "i",
  seq: 1,
  prev: null,
  streamId: "s.t",
  kind,
  startMs: 0,
  endMs: 1,
  coverage: 1,
  flags: [],
  privacy: { policy: "open" },
  ...(stats === undefined ? {} : { stats }),
});

it.each<[string, number[], Record<string, number>]>([
  ["gauge", [1.1, 2.2, 3.4], { samples: 3, mean: 2.23, min: 1.1, max: 3.4, p50: 2.2, p95: 3.4 }],
  ["level", [60, 70], { samples: 2, laeq: 67.4, lamax: 70, l10: 70, l50: 60, l90: 60 }],
  ["counter", [0.5, 0.5, 0.5], { samples: 3, sum: 1.5 }],
])("recomputes a %s, and finds each number that is wrong", (kind, values, stats) => {
  expect(compareExactly(heard(kind, stats), values, 1)).toBeNull();
  for (const name of Object.keys(stats)) {
    const wrong = { ...stats, [name]: (stats[name] as number) + 1 };
    expect(compareExactly(heard(kind, wrong), values, 1)).toMatch(new RegExp(`^${name} `));
  }
});

it("knows which samples are sure: not those in a doubted time, before it is told or after", () => {
  const log = new StreetLog("air-1.pm25" as StreetLog["id"], 1_000);
  for (const atMs of [100, 200, 300]) log.add(1, atMs, 0, atMs);
  log.doubt(150, 350);
  for (const atMs of [340, 400]) log.add(1, atMs, 0, atMs);
  expect(log.between(0, 1_000).map(({ isSure }) => isSure)).toEqual([true, false, false, false, true]);
  expect([...log.sureWindows()]).toEqual([0]);
  log.forgetUnmade(() => false);
  expect(log.sureWindows().size).toBe(0);
});

it("labels what waited for the clock of its boot, and no other", () => {
  const log = new StreetLog("air-1.pm25" as StreetLog["id"], 1_000);
  log.add(1, 10, 0, null);
  log.add(1, 20, 1, null);
  log.label(1, 5_000);
  expect(log.between(0, 10_000).map(({ labelMs }) => labelMs)).toEqual([5_020]);
});

it("knows that values which come one by one after long pauses cover nothing", () => {
  const [id, rhythmMs] = ["dust-1.pm1" as StreetLog["id"], 300];
  const sparse = new StreetLog(id, 1_000, rhythmMs);
  for (const atMs of [600, 1_000, 1_500, 1_500]) sparse.add(1, atMs, 0, atMs);
  expect(sparse.covers(1_000, 2_000), "nor two that were told together").toBe(false);
  const steady = new StreetLog(id, 1_000, rhythmMs);
  for (const atMs of [800, 1_000]) steady.add(1, atMs, 0, atMs);
  expect(steady.covers(1_000, 2_000), "by the one before the window").toBe(true);
  const byItsPort = new StreetLog(id, 1_000);
  byItsPort.add(1, 1_500, 0, 1_500);
  expect([byItsPort.covers(1_000, 2_000), byItsPort.covers(2_000, 3_000)]).toEqual([true, false]);
});
