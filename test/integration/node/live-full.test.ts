import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openLiveStore } from "../../../src/adapters/sqlite/live-store.ts";
import { sensorId } from "../../../src/core/units/ids.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { dust, W } from "../../support/dust.ts";
import { nodePlan } from "../../support/plans.ts";
import { VirtualNode } from "../../support/virtual-node.ts";

it("goes on from a live store that filled while time was not trusted: with the newest readings, and over a restart", async () => {
  const directory = mkdtempSync(join(tmpdir(), "stoep-live-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const open = () =>
    openLiveStore({ path: join(directory, "live.db"), instance: "0badcafe", bootId: "boot-1", bytesMax: 600_000 }) as never;
  const clock = new VirtualClock({ wallMs: Date.UTC(2020, 0, 1) });
  clock.trust = null;
  const first = new VirtualNode(clock, { live: open() });
  const problems = (node: VirtualNode) => node.node.status().status.problems.map(({ code }) => code);
  const street = nodePlan(["air-1", "air-2", "air-3", "air-4"].map((id) => dust({ id: sensorId(id) })));
  await first.start(street);
  await clock.advance(60 * W);
  expect(problems(first)).toEqual(["LIVE_FULL", "TIME_UNTRUSTED"]);
  const dropped = first.node.status().sensors["air-1"]?.counters?.dropped;
  expect(dropped).toMatchObject({ "store-full": 0 });
  expect(dropped?.["clock-untrusted"]).toBeGreaterThan(1_000);

  clock.stepWall(Date.UTC(2026, 10, 23, 10) - clock.wallMs());
  clock.trust = "synced";
  await clock.advance(10_000);
  const fed = first.heartbeats;
  await clock.advance(5 * W);
  expect(first.heartbeats - fed).toBeGreaterThan(290);
  expect(problems(first)).toEqual([]);
  const told = first.outbox.summaries().map(({ window, coverage }) => [window.start.slice(11, 16), coverage]);
  expect(told).toEqual(expect.arrayContaining(["09:30", "09:59", "10:01", "10:03"].map((start) => [start, 1])));
  await first.stop();

  const second = new VirtualNode(clock, { live: open() });
  await second.start(street);
  await clock.advance(5 * W);
  expect([second.outbox.summaries().length >= 4, problems(second)]).toEqual([true, []]);
  await second.stop();
});
