import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type Lab, openLab } from "../../support/lab.ts";
import { type Exit, type NodeProcess, type NodeSite, PREFIX, type SiteConfig } from "../../support/node-process.ts";
import { samplesIn, summariesOf, untilPhase } from "../../support/summaries.ts";

const WINDOW_MS = 10_000;
/** A clean stop waits 5 s for PUBACKs; a second more is left for the goodbye. */
const STOP_MS_MAX = 6_000;
/** When the broker is there and answers nothing, the goodbye is waited for as well. */
const STOP_HUNG_MS_MAX = 9_000;
/** A machine that is busy may need a moment to end a process. */
const AT_ONCE_MS = 1_500;

const sensors = { air: { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } } };
const siteAt = (lab: Lab, url: string): NodeSite => lab.site({ broker: { url }, sensors });

/** Ends it with this signal, and says how and how fast. */
async function ended(node: NodeProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<Exit & { readonly tookMs: number }> {
  const fromMs = performance.now();
  node.signal(signal);
  const exit = await node.exit;
  return { ...exit, tookMs: exit.atMs - fromMs };
}

describe("a clean stop", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("ends with 0 within 6 s of a %s, and leaves `offline` at the broker", async (signal) => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const site = siteAt(lab, broker.url);
    const node = await site.runUntilReady();
    await node.event("BrokerConnected");
    expect(existsSync(join(site.live, "stoep.sock"))).toBe(true);
    const { code, tookMs } = await ended(node, signal);
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(STOP_MS_MAX);
    expect(node.log.slice(-2).map(({ event }) => event)).toEqual(["NodeStopping", "NodeStopped"]);
    expect(existsSync(join(site.live, "stoep.sock")), "its socket is gone").toBe(false);
    const later = await lab.subscriber(broker.url, `${PREFIX}/n0042/status`);
    const [message] = await later.waitFor((all) => all.length === 1);
    expect(message?.retain).toBe(true);
    expect(JSON.parse(message?.payload.toString("utf8") ?? "")).toMatchObject({ state: "offline", outbox: { pending: 0 } });
  });

  it("closes what is due and publishes it before it goes", async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const subscriber = await lab.subscriber(broker.url);
    const site = siteAt(lab, broker.url);
    const node = await site.runUntilReady();
    await site.statusWhen(({ sensors: all }) => (all.air?.counters?.stored ?? 0) > 0);
    // What a window before this one came to has arrived by now.
    await untilPhase(WINDOW_MS, WINDOW_MS - 500);
    const before = summariesOf(subscriber.messages).length;
    // The window is over, and its lateness; the node looks once a second.
    await wait(WINDOW_MS - (Date.now() % WINDOW_MS) + 1_050);
    expect((await ended(node)).code).toBe(0);
    expect(summariesOf(subscriber.messages).length).toBe(before + 1);
    expect(node.events("NodeStopped")[0]).toMatchObject({ pendingSummaries: 0 });
  });

  it("keeps the readings of the open window for the next start", { timeout: 60_000 }, async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const subscriber = await lab.subscriber(broker.url);
    /** The second run says nothing, so that all that is published came from the first; what a reading means is the same in both. */
    const speaking = (everyMs: number): SiteConfig => {
      const pm25 = { quantity: "pm25", max: 30, everyMs };
      return { broker: { url: broker.url }, sensors: { air: { driver: "simulator", options: { channels: { pm25 } } } } };
    };
    const site = lab.site(speaking(100));
    const first = await site.runUntilReady();
    const { sensors: all } = await site.statusWhen(({ sensors: now }) => (now.air?.counters?.stored ?? 0) >= 20);
    expect((await ended(first)).code).toBe(0);
    site.write(speaking(3_600_000));
    await site.runUntilReady();
    await subscriber.waitFor((messages) => samplesIn(summariesOf(messages)) >= (all.air?.counters?.stored ?? 0), 3 * WINDOW_MS);
    expect(
      summariesOf(subscriber.messages).some(({ coverage }) => coverage < 1),
      "and the gap between the runs shows",
    ).toBe(true);
  });

  it("is bounded when there is no broker", async () => {
    const lab = openLab();
    const broker = await lab.fakeBroker();
    await broker.stop(); // nobody listens on its port any more
    const node = await siteAt(lab, broker.url).runUntilReady();
    await node.event("BrokerDisconnected");
    const { code, tookMs } = await ended(node);
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(STOP_MS_MAX);
    expect(node.events("NodeStopped")[0]?.pendingSummaries, "the metas wait").toBeGreaterThan(0);
  });

  it("is bounded when the broker never acknowledges anything", async () => {
    const lab = openLab();
    const broker = await lab.fakeBroker({ onPublish: () => {} });
    const node = await siteAt(lab, broker.url).runUntilReady();
    await node.event("BrokerConnected");
    const { code, tookMs } = await ended(node);
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(STOP_HUNG_MS_MAX);
  });

  it("is cut short by a second signal", async () => {
    const lab = openLab();
    const broker = await lab.fakeBroker({ onPublish: () => {} });
    const node = await siteAt(lab, broker.url).runUntilReady();
    await node.event("BrokerConnected");
    node.signal("SIGTERM");
    await node.event("NodeStopping");
    const { code, tookMs } = await ended(node);
    expect(code).toBe(69);
    expect(tookMs).toBeLessThan(AT_ONCE_MS);
    expect(node.events("NodeStopped")).toEqual([]);
  });
});
