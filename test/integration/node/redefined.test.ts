import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { openLab } from "../../support/lab.ts";
import { type NodeProcess, type NodeSite, PREFIX, type SiteConfig, stoep } from "../../support/node-process.ts";
import type { Received } from "../../support/subscriber.ts";
import { expectWholeHistory, type SummaryDocument, summariesOf } from "../../support/summaries.ts";

const WINDOW_MS = 10_000;
/** How far into a window the file is changed: there is time for a reload and a start before it ends. */
const INTO_MS = 3_000;
const VALUE = 20;
const HALF = 0.5;

/** A sensor that says the same ten times a second. */
const siteOf = (url: string, scale: number): SiteConfig => ({
  broker: { url },
  sensors: {
    air: {
      driver: "simulator",
      options: { channels: { pm25: { quantity: "pm25", waveform: "constant", max: VALUE, everyMs: 100 } } },
      calibration: { scale },
    },
  },
});

/** Starts a node in a window, and waits until readings of it are in the live store. */
async function inMidWindow(site: NodeSite): Promise<NodeProcess> {
  await wait(WINDOW_MS - (Date.now() % WINDOW_MS));
  const node = await site.runUntilReady();
  await site.statusWhen(({ sensors }) => (sensors.air?.counters?.stored ?? 0) >= 10);
  await wait(Math.max(0, INTO_MS - (Date.now() % WINDOW_MS)));
  return node;
}

const isWholeAt = ({ quality, stats }: SummaryDocument, mean: number): boolean => quality === "ok" && stats?.mean === mean;

/** No window holds 20 and 10; in the end they are whole, and of the file of now. */
function expectOneMeaningEach(messages: readonly Received[], changedAtMs: number): void {
  const summaries = expectWholeHistory(messages, PREFIX);
  for (const { id, stats } of summaries) if (stats !== undefined) expect(stats.min, id).toBe(stats.max);
  const own = summaries.filter(({ stats }) => stats?.mean === VALUE * HALF);
  // A machine that is busy may need longer than the window for it: then none has readings of both sides.
  for (const one of own.filter(({ window }) => Date.parse(window.start) < changedAtMs))
    expect(one, "what was read before the change is not in it").toMatchObject({ quality: "partial" });
  expect(own.at(-1), "a whole one follows").toMatchObject({ quality: "ok" });
}

async function reloadThenKill(site: NodeSite, node: NodeProcess): Promise<void> {
  expect((await stoep(["reload", site.file])).code).toBe(0);
  await node.kill9();
}

describe("a calibration that is changed in the middle of a window", () => {
  it.each([
    { how: "by a restart", change: async (_: NodeSite, node: NodeProcess) => void (await node.stop()) },
    { how: "by a reload, before a kill", change: reloadThenKill },
  ])("$how: no window holds readings of both, and a whole one follows", { timeout: 90_000 }, async ({ change }) => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const subscriber = await lab.subscriber(broker.url);
    const site = lab.site(siteOf(broker.url, 1));
    const node = await inMidWindow(site);
    const changedAtMs = Date.now();
    site.write(siteOf(broker.url, HALF));
    await change(site, node);
    await site.runUntilReady();
    await subscriber.waitFor((all) => summariesOf(all, "air.pm25").some((one) => isWholeAt(one, VALUE * HALF)), 4 * WINDOW_MS);
    expectOneMeaningEach(subscriber.messages, changedAtMs);
  });
});
