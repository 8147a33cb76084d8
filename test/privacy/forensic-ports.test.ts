import { expect, it } from "vitest";
import { ForensicSite, onPorts, PORT_WINDOW_MS as WINDOW_MS } from "../support/forensic-site.ts";
import { openLab } from "../support/lab.ts";
import { heapOf, tracesAround, watched } from "../support/process-forensics.ts";
import { summariesOf, untilPhase } from "../support/summaries.ts";

// T10 at serial ports, whose windows are five minutes at the least: from one to eleven minutes until a whole one is over.
const STREAMS = ["gate-p.speed", "till-p.entries", "radio-p.devices"];

it("nothing of what came in at serial ports is left when their window is closed", { timeout: 3 * WINDOW_MS }, async () => {
  const lab = openLab();
  const broker = await lab.mosquitto();
  const subscriber = await lab.subscriber(broker.url);
  const place = await ForensicSite.open(lab, broker.url);
  const { site } = place;
  const node = await site.runUntilReady(watched(site));
  // The window in which the store began is not released; and a WAL of a few minutes would have been overwritten.
  await untilPhase(WINDOW_MS, WINDOW_MS - 100);
  await untilPhase(WINDOW_MS, WINDOW_MS - 20_000);
  await place.pass();
  await untilPhase(WINDOW_MS, WINDOW_MS - 10_000);
  expect(onPorts().inFiles(site.live), "they are held, where this test can find them").not.toEqual([]);
  await subscriber.waitFor(
    (all) => STREAMS.every((stream) => summariesOf(all, stream).some(({ reason }) => reason === undefined)),
    WINDOW_MS,
  );
  await site.statusWhen(({ outbox }) => outbox.rows === 0);
  expect(await tracesAround(onPorts(), site, node, subscriber.messages)).toEqual([]);
  expect(onPorts().inText(await heapOf(site, node))).toEqual([]);
  expect((await node.stop()).code).toBe(0);
  expect(onPorts().inFiles(site.live), "when it has stopped").toEqual([]);
});
