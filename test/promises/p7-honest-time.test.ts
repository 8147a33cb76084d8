import { stat } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { openLab } from "../support/lab.ts";
import { TimeService } from "../support/machine-clock.ts";
import { stoep } from "../support/node-process.ts";
import { expectEveryWindow, samplesIn, summariesOf } from "../support/summaries.ts";

const WINDOW_MS = 10_000;
/** Where systemd-timesyncd says that it has synchronised the clock: nothing that a test can take away. */
const SYNCHRONISED = "/run/systemd/timesync/synchronized";
/** What the node is told is kept for 30 s, and it asks every 10 s. */
const TRUST_MS = 45_000;
const NOWHERE = "mqtt://127.0.0.1:1";

// Slow enough that a machine with other work to do never makes the sensor look silent.
const EVERY_MS = 1_000;
const sensors = { air: { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: EVERY_MS } } } } };

describe("P7: honest time", () => {
  it("P7: while nobody vouches for the clock no summary leaves, and none of its readings is lost", {
    timeout: 120_000,
  }, async (context) => {
    if ((await stat(SYNCHRONISED).catch(() => null)) !== null) context.skip("the time service of this machine vouches for its clock");
    const lab = openLab();
    const broker = await lab.mosquitto();
    const subscriber = await lab.subscriber(broker.url);
    const site = lab.site({ broker: { url: broker.url }, sensors, time: { source: "system" } });
    const service = new TimeService(site);
    service.say("no");
    const node = await site.runUntilReady(service.environment);
    const startedMs = Date.now();
    await wait(WINDOW_MS + 5_000);
    expect(node.events("ClockUntrusted")).toHaveLength(1);
    const check = await stoep(["status", site.file, "--check"]);
    expect(check.code, "failing: nothing may leave").toBe(2);
    expect(check.stdout).toContain("TIME_UNTRUSTED");
    const time = await stoep(["time", site.file]);
    expect(time.code).toBe(69);
    expect(time.stdout).toContain("untrusted (nobody-vouches)");
    expect(time.stdout).toContain("What to do: let a time service reach its server");
    expect(summariesOf(subscriber.messages)).toEqual([]);

    service.say("yes");
    await node.event("ClockTrusted", ({ source }) => source === "synced", TRUST_MS);
    const trustedMs = Date.now();
    const reaches = (all: Parameters<typeof summariesOf>[0]): boolean =>
      summariesOf(all).some(({ window }) => Date.parse(window.end) > trustedMs);
    await subscriber.waitFor(reaches, 3 * WINDOW_MS);
    expect(JSON.parse((await stoep(["time", site.file, "--json"])).stdout)).toMatchObject({
      state: "synced",
      source: "system",
      witnesses: 1,
    });
    const summaries = summariesOf(subscriber.messages);
    expectEveryWindow(summaries);
    expect(Date.parse(summaries[0]?.window.start ?? ""), "from the first reading on").toBeLessThanOrEqual(startedMs);
    for (const summary of summaries) expect(summary.time).toBe("synced");
    const waited = summaries.filter(({ window }) => Date.parse(window.start) > startedMs && Date.parse(window.end) <= trustedMs);
    expect(waited.length, "whole windows that waited").toBeGreaterThan(1);
    for (const { id, coverage } of waited) expect(coverage, id).toBe(1);
    // A busy machine may make a reading late, and so move it into the next window.
    expect(Math.abs(samplesIn(waited) - (waited.length * WINDOW_MS) / EVERY_MS)).toBeLessThanOrEqual(waited.length);
    expect((await site.status()).sensors.air).toMatchObject({ balanced: true, counters: { dropped: { "clock-untrusted": 0, late: 0 } } });
  });

  it("P7: readings of another boot never get a time of this one", async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: NOWHERE }, sensors });
    const boots = ["0".repeat(31), "1".repeat(31)].map((digits) => ({ STOEP_BOOT_ID: `${digits}a` }));
    const first = await site.runUntilReady(boots[0]);
    await site.statusWhen(({ sensors: all }) => (all.air?.counters?.stored ?? 0) > 3);
    await first.kill9();
    const second = await site.runUntilReady(boots[1]);
    expect(second.events("LiveStoreDiscarded")).toMatchObject([{ because: "other-boot" }]);
    expect((await site.status()).status.boot).toBe("11111111");
  });
});
