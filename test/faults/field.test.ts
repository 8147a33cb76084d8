import { readlinkSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import type { LocalSensor, LocalStatus } from "../../src/runtime/status.ts";
import { Seeded } from "../../src/testing/driver-checks/seeded.ts";
import { faultRow } from "../support/fault-table.ts";
import { openLab } from "../support/lab.ts";
import { PREFIX } from "../support/node-process.ts";
import type { PtyPair } from "../support/pty.ts";
import { FRAME_BYTES, sds011Frame, speaking, warmSds011 } from "../support/sds011.ts";
import { announcedSeed } from "../support/seed.ts";
import { expectWholeHistory, samplesIn, summariesOf, untilPhase } from "../support/summaries.ts";

const WINDOW_MS = 10_000;
const PULLS = 8;
const BACK_MS_MAX = 10_000;
const NOISE_BYTES_PER_DRIVER = 4_000_000;
const PIECE_BYTES_MAX = 4_000;
const MEMORY_GROWTH_BYTES_MAX = 20e6;
const ANSWER_MS_MAX = 1_000;

it(`${PULLS} times a sensor is pulled, and comes back as another device`, { timeout: 180_000 }, async () => {
  const lab = openLab();
  const [broker, pulled, steady] = await Promise.all([lab.mosquitto(), lab.pty(), lab.pty()]);
  const subscriber = await lab.subscriber(broker.url);
  const sensor = (path: string): object => ({ driver: "warm-sds011", serial: { path }, streams: { pm25: {} } });
  const sensors = { pulled: sensor(pulled.path), steady: sensor(steady.path) };
  const site = lab.site({ broker: { url: broker.url }, sensors });
  site.write({ broker: { url: broker.url }, sensors, driverPaths: [warmSds011(site.folder)] });
  await untilPhase(WINDOW_MS, WINDOW_MS - 3_000);
  const node = site.run();
  for (const id of ["pulled", "steady"]) await node.event("SensorOpened", (line) => line.sensor === id);
  const beside = speaking(steady);
  const backMs: number[] = [];
  for (let pull = 0; pull < PULLS; pull++) {
    const device = readlinkSync(pulled.path);
    await pulled.cut();
    await site.statusWhen(({ sensors }) => sensors.pulled?.state === "fault");
    await lab.pty(); // takes the number that it had
    await pulled.restore();
    expect(readlinkSync(pulled.path), "another device").not.toBe(device);
    const restoredMs = performance.now();
    await site.statusWhen(({ sensors }) => sensors.pulled?.state === "ok", BACK_MS_MAX);
    backMs.push(performance.now() - restoredMs);
    await pulled.feed(sds011Frame({ pm25: 81, pm10: 200 }));
    await site.statusWhen(({ sensors }) => sensors.pulled?.counters?.bytes === (pull + 1) * FRAME_BYTES);
  }
  await untilPhase(WINDOW_MS, 500);
  const said = await beside.off();
  await subscriber.waitFor((all) => samplesIn(summariesOf(all, "steady.pm25")) >= said, 2 * WINDOW_MS).catch(() => {});
  expect(samplesIn(summariesOf(subscriber.messages, "steady.pm25"))).toBe(said);
  expect(samplesIn(summariesOf(subscriber.messages, "pulled.pm25"))).toBe(PULLS);
  expectWholeHistory(subscriber.messages, PREFIX);
  faultRow({
    fault: "Sensor: unplugged and renumbered",
    injected: `${PULLS} times the device of one of two sensors is pulled, and comes back under another number behind the same name`,
    promised: "open again within 10 s of its return; the gap shows as coverage; the sensor beside it loses nothing",
    measured: `back after ${(Math.max(...backMs) / 1_000).toFixed(1)} s at most; all ${said} readings of the other are told`,
  });
});

it("millions of hostile bytes on four lines leave the fifth alone", { timeout: 240_000 }, async () => {
  const lab = openLab();
  const seed = announcedSeed("hostile bytes");
  const drivers = ["sds011", "pms5003", "ops243", "json-lines"];
  const [broker, steady, ...noisy] = await Promise.all([lab.mosquitto(), lab.pty(), ...drivers.map(() => lab.pty())]);
  const subscriber = await lab.subscriber(broker.url);
  const options = (driver: string): object =>
    driver === "json-lines" ? { options: { fields: { pm25: { key: "pm25", quantity: "pm25", resolution: 0.1 } } } } : {};
  const sensors = Object.fromEntries(
    drivers.map((driver, index) => [`noisy-${index}`, { driver, ...options(driver), serial: { path: noisy[index]?.path } }]),
  );
  const site = lab.site({
    broker: { url: broker.url },
    sensors: { ...sensors, steady: { driver: "sds011", serial: { path: steady.path } } },
  });
  await untilPhase(WINDOW_MS, WINDOW_MS - 3_000);
  const node = await site.runUntilReady();
  await node.event("SensorOpened", (line) => line.sensor === "steady");
  const beside = speaking(steady);
  await wait(2_000);
  const before = (await site.status()).memory.residentBytes;
  const answersMs: number[] = [];
  const floods = noisy.map((pty, index) => flood(pty, new Seeded(seed + index)));
  const isOver = Promise.all(floods).then(() => true);
  while (!(await Promise.race([isOver, wait(500).then(() => false)]))) {
    const askedMs = performance.now();
    await site.status();
    answersMs.push(performance.now() - askedMs);
  }
  // A port on which nothing makes sense is opened again, which empties the line: what was in it did not arrive.
  const isCounted = ({ counters }: LocalSensor): boolean =>
    counters === null || counters.opened > 1 || counters.bytes === NOISE_BYTES_PER_DRIVER;
  const isAllCounted = (sensors: LocalStatus["sensors"]): boolean =>
    drivers.every((_, index) => isCounted(sensors[`noisy-${index}`] as LocalSensor));
  const status = await site.statusWhen(({ sensors }) => isAllCounted(sensors));
  const said = await beside.off();
  expect(status.memory.residentBytes - before).toBeLessThan(MEMORY_GROWTH_BYTES_MAX);
  expect(Math.max(...answersMs), "it answers all the time").toBeLessThan(ANSWER_MS_MAX);
  expect(Object.values(status.sensors).map(({ balanced }) => balanced)).toEqual(drivers.map(() => true).concat(true));
  await subscriber.waitFor((all) => samplesIn(summariesOf(all, "steady.pm25")) >= said, 2 * WINDOW_MS).catch(() => {});
  expect(samplesIn(summariesOf(subscriber.messages, "steady.pm25"))).toBe(said);
  expect((await node.stop()).code).toBe(0);
  faultRow({
    fault: "Sensor: hostile bytes",
    injected: `${(NOISE_BYTES_PER_DRIVER * drivers.length) / 1e6} MB of random and repeated bytes, as fast as four lines take them`,
    promised: "nothing throws, every byte that arrives is counted, memory is bounded; the sensor beside them loses nothing",
    measured:
      `${((status.memory.residentBytes - before) / 1e6).toFixed(1)} MB more memory; ` +
      `answers within ${Math.max(...answersMs).toFixed(0)} ms; all ${said} readings of the other are told`,
  });
});

/** Random bytes, runs of one byte, and halves of frames. */
async function flood(pty: PtyPair, seeded: Seeded): Promise<void> {
  for (let sent = 0; sent < NOISE_BYTES_PER_DRIVER; ) {
    const length = Math.min(1 + seeded.below(PIECE_BYTES_MAX), NOISE_BYTES_PER_DRIVER - sent);
    const run = seeded.below(256);
    const kind = seeded.below(3);
    const frame = sds011Frame({ pm25: 1, pm10: 1 });
    const byteAt = (index: number): number =>
      kind === 0 ? seeded.below(256) : kind === 1 ? run : (frame[index % (frame.length - 1)] ?? 0);
    await pty.feed(Uint8Array.from({ length }, (_, index) => byteAt(index)));
    sent += length;
  }
}
