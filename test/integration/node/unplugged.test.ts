import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import type { OnlineStatus } from "../../../src/formats/documents.ts";
import { Seeded } from "../../../src/testing/driver-checks/seeded.ts";
import { expectGauge } from "../../support/gauge-oracle.ts";
import { openLab } from "../../support/lab.ts";
import { PREFIX } from "../../support/node-process.ts";
import type { PtyPair } from "../../support/pty.ts";
import { type Dust, FRAME_BYTES, randomDust, sds011Frame, warmSds011 } from "../../support/sds011.ts";
import { announcedSeed } from "../../support/seed.ts";
import type { Received, Subscriber } from "../../support/subscriber.ts";
import { expectWholeHistory, type SummaryDocument, samplesIn, summariesOf, untilPhase } from "../../support/summaries.ts";

const WINDOW_MS = 10_000;
const FRAME_EVERY_MS = 40;
const AWAY_MS = 2_500;
// The port is tried again after 0.5 s at first, and a path is looked at every 2 s.
const BACK_MS_MAX = 10_000;

/** A device that speaks until it is told to stop; what it said is kept. */
class Device {
  readonly said: Dust[] = [];
  isOn = true;
  readonly #loop: Promise<void>;

  constructor(pty: PtyPair, seeded: Seeded) {
    this.#loop = this.#speak(pty, seeded);
  }

  async off(): Promise<void> {
    this.isOn = false;
    await this.#loop;
  }

  async #speak(pty: PtyPair, seeded: Seeded): Promise<void> {
    while (this.isOn) {
      const reading = randomDust(seeded);
      await pty.feed(sds011Frame(reading));
      this.said.push(reading);
      await wait(FRAME_EVERY_MS);
    }
  }
}

const statesOf = (messages: readonly Received[], sensor: string): readonly (string | undefined)[] =>
  messages
    .filter(({ topic }) => topic === `${PREFIX}/n0042/status`)
    .map(({ payload }) => (JSON.parse(payload.toString("utf8")) as OnlineStatus).sensors[sensor]);

const windowWithin = (summaries: readonly SummaryDocument[], atMs: number): SummaryDocument | undefined =>
  summaries.find(({ window }) => Date.parse(window.start) <= atMs && atMs < Date.parse(window.end));

/** Waits for as many samples as were said; what is missing after that is told by the test. */
async function allSamples(subscriber: Subscriber, stream: string, count: number): Promise<readonly SummaryDocument[]> {
  await subscriber.waitFor((all) => samplesIn(summariesOf(all, stream)) >= count, 2 * WINDOW_MS).catch(() => {});
  return summariesOf(subscriber.messages, stream);
}

it("goes on with a sensor that was pulled and put back, shows the gap, and leaves the sensor beside it alone", {
  timeout: 90_000,
}, async () => {
  const lab = openLab();
  const seed = announcedSeed("unplugged");
  const [broker, pulled, steady] = await Promise.all([lab.mosquitto(), lab.pty(), lab.pty()]);
  const subscriber = await lab.subscriber(broker.url);
  const sensor = (path: string): object => ({ driver: "warm-sds011", serial: { path }, streams: { pm25: {} } });
  const sensors = { pulled: sensor(pulled.path), steady: sensor(steady.path) };
  const site = lab.site({ broker: { url: broker.url }, sensors });
  site.write({ broker: { url: broker.url }, sensors, driverPaths: [warmSds011(site.folder)] });
  const node = site.run();
  for (const id of ["pulled", "steady"]) await node.event("SensorOpened", (line) => line.sensor === id);
  // At once: a port at which nothing is heard is opened anew, and what is said meanwhile is lost.
  const beside = new Device(steady, new Seeded(seed));
  const before = new Device(pulled, new Seeded(seed + 1));
  await untilPhase(WINDOW_MS, WINDOW_MS - 500); // both speak before the window begins
  await untilPhase(WINDOW_MS, 1_500);
  await before.off();
  const silentAtMs = Date.now();
  await site.statusWhen(({ sensors }) => sensors.pulled?.counters?.bytes === before.said.length * FRAME_BYTES);
  const cutAtMs = Date.now();
  await pulled.cut();
  await site.statusWhen(({ sensors }) => sensors.pulled?.state === "fault");
  expect((await site.status()).status).toMatchObject({ health: "degraded", problems: [{ code: "SENSOR_GONE", sensor: "pulled" }] });
  await wait(Math.max(0, AWAY_MS - (Date.now() - cutAtMs)));
  await pulled.restore();
  const restoredAtMs = Date.now();
  await site.statusWhen(({ sensors }) => sensors.pulled?.state === "ok", BACK_MS_MAX);
  const after = new Device(pulled, new Seeded(seed + 2));
  const gapMs = Date.now() - silentAtMs;
  expect(Date.now() - restoredAtMs, "back within 10 s of its return").toBeLessThan(BACK_MS_MAX);
  await untilPhase(WINDOW_MS, 1_000);
  await Promise.all([after.off(), beside.off()]);

  const said = [...before.said, ...after.said].map(({ pm25 }) => pm25);
  const summaries = await allSamples(subscriber, "pulled.pm25", said.length);
  expect(samplesIn(summaries), "readings go on, and none is lost but by the gap").toBe(said.length);
  let from = 0;
  for (const { id, stats } of summaries) {
    const to = from + (stats?.samples ?? 0);
    if (to > from) expectGauge(stats, said.slice(from, to), id);
    from = to;
  }
  const gap = windowWithin(summaries, cutAtMs);
  expect(gap?.coverage).toBeLessThan(1 - AWAY_MS / WINDOW_MS);
  expect(gap?.coverage, "nothing is uncovered but the gap").toBeGreaterThan(1 - Math.min(gapMs, WINDOW_MS) / WINDOW_MS - 0.1);
  expect(gap?.quality).toBe("partial");

  const undisturbed = await allSamples(subscriber, "steady.pm25", beside.said.length);
  expect(samplesIn(undisturbed)).toBe(beside.said.length);
  expect(windowWithin(undisturbed, cutAtMs)).toMatchObject({ coverage: 1, quality: "ok" });
  expectWholeHistory(subscriber.messages, PREFIX);

  const told = statesOf(subscriber.messages, "pulled");
  expect(told.indexOf("fault"), "the published status said so").toBeGreaterThan(0);
  expect(told.lastIndexOf("ok"), "and that it was over").toBeGreaterThan(told.indexOf("fault"));
  expect(statesOf(subscriber.messages, "steady").slice(0, told.lastIndexOf("ok") + 1)).not.toContain("fault");
});
