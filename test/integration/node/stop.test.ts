import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Lab, openLab } from "../../support/lab.ts";
import { type Exit, type NodeProcess, type NodeSite, PREFIX } from "../../support/node-process.ts";
import { summariesOf, untilPhase } from "../../support/summaries.ts";

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
    await untilPhase(10_000, 6_000);
    const node = await site.runUntilReady();
    await untilPhase(10_000, 1_050); // the window is over and its lateness too; the node looks once a second
    expect((await ended(node)).code).toBe(0);
    expect(summariesOf(subscriber.messages)).toHaveLength(1);
    expect(node.events("NodeStopped")[0]).toMatchObject({ pendingSummaries: 0 });
  });

  it("keeps the readings of the open window for the next start", async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const subscriber = await lab.subscriber(broker.url);
    const site = siteAt(lab, broker.url);
    await untilPhase(10_000, 3_000);
    const first = await site.runUntilReady();
    await untilPhase(10_000, 7_000);
    expect((await ended(first)).code).toBe(0);
    await site.runUntilReady();
    await subscriber.waitFor((all) => summariesOf(all).length > 0, 15_000);
    const [summary] = summariesOf(subscriber.messages);
    // One reading every 100 ms: without those of the first run, made in the 3.5 s before its end, there would be 30 at most.
    expect(summary?.stats?.samples).toBeGreaterThan(33);
    expect(summary?.coverage).toBeLessThan(1);
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
