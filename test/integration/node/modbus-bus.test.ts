import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { openLab } from "../../support/lab.ts";
import { type Manner, ModbusSlaves, type SlaveUnit } from "../../support/modbus-slaves.ts";
import { PREFIX, stoep } from "../../support/node-process.ts";
import { expectWholeHistory, summariesOf, untilPhase } from "../../support/summaries.ts";

const WINDOW_MS = 10_000;
const TIMEOUT_MS = 250;
/** 3.5 characters of 10 bits at 9,600 baud. */
const GAP_MS = 3.6;
/** A timer of Node.js counts whole milliseconds, and may be one early. */
const TIMER_MS = 2;
const BACK_MS_MAX = 10_000;

/** Every third time, and right in between. */
const sometimes =
  (manner: Manner) =>
  (nth: number): Manner =>
    nth % 3 === 2 ? manner : "answers";
const always = (manner: Manner) => (): Manner => manner;

/** What the units of this street do; a unit's registers hold its own number times a hundred. */
const MANNERS: Readonly<Record<number, (nth: number) => Manner>> = {
  1: always("answers"),
  2: always("late"),
  3: always("silent"),
  4: sometimes("bad-crc"),
  5: sometimes("wrong-unit"),
  6: sometimes("wrong-function"),
  7: sometimes("busy"),
  8: sometimes("half"),
};
/** Units that are right at least two times in three. */
const GOOD = [1, 4, 5, 6, 7, 8];

const sensorId = (unit: number): string => `unit-${unit}`;

it("shares one line among eight units of which some are late, wrong, broken or dead, and never takes one's answer for another's", {
  timeout: 120_000,
}, async () => {
  const lab = openLab();
  const [broker, pty] = await Promise.all([lab.mosquitto(), lab.pty()]);
  const subscriber = await lab.subscriber(broker.url);
  const units = new Map(
    Object.entries(MANNERS).map(([unit, manner]): [number, SlaveUnit] => [Number(unit), { read: () => Number(unit) * 100, manner }]),
  );
  const slaves = new ModbusSlaves(pty, units, { lateMs: 600 });
  const channels = () => ({ v: { quantity: "voltage", address: 0, range: [0, 10_000], resolution: 1, everySeconds: 1 } });
  const sensors = Object.fromEntries(
    [...units.keys()].map((unit) => [
      sensorId(unit),
      { driver: "modbus", bus: "rs485-1", unit, options: { channels: channels(), timeoutMs: TIMEOUT_MS } },
    ]),
  );
  const buses = { "rs485-1": { serial: { path: pty.path, baud: 9_600 } } };
  const site = lab.site({ broker: { url: broker.url }, buses, sensors });
  await untilPhase(WINDOW_MS, WINDOW_MS - 2_500);
  const node = site.run();
  await Promise.all(Object.keys(sensors).map((id) => node.event("SensorOpened", (line) => line.sensor === id)));
  await untilPhase(WINDOW_MS, WINDOW_MS / 2);
  await untilPhase(WINDOW_MS, 1_500);

  const status = await site.status();
  for (const unit of GOOD) expect(status.sensors[sensorId(unit)], sensorId(unit)).toMatchObject({ state: "ok", balanced: true });
  expect(status.sensors["unit-3"]?.state, "the dead one is told").not.toBe("ok");
  const bus = status.buses["rs485-1"];
  expect(bus).toMatchObject({ isOpen: true, path: pty.path });
  expect(bus?.counters?.discardedBytes).toMatchObject({
    ...{ late: expect.any(Number), checksum: expect.any(Number), noise: expect.any(Number) },
    ...{ "wrong-unit": expect.any(Number), "wrong-function": expect.any(Number) },
  });

  expect((await stoep(["status", site.file])).stdout).toMatch(/^Buses\n.*rs485-1 +open .*units 1 .*replies, .*late bytes/m);

  // Pulled and put back: the line is opened again for all of them.
  const askedBefore = slaves.asked.length;
  await pty.cut();
  await site.statusWhen(({ sensors: all }) => GOOD.every((unit) => all[sensorId(unit)]?.state === "fault"));
  await wait(500);
  await pty.restore();
  const restoredAtMs = performance.now();
  await site.statusWhen(({ sensors: all }) => GOOD.every((unit) => all[sensorId(unit)]?.state === "ok"), BACK_MS_MAX);
  expect(performance.now() - restoredAtMs).toBeLessThan(BACK_MS_MAX);
  await untilPhase(WINDOW_MS, WINDOW_MS / 2);
  await untilPhase(WINDOW_MS, 1_500);
  expect(slaves.asked.length, "and they are asked again").toBeGreaterThan(askedBefore + GOOD.length);
  await node.stop();
  await slaves.stop();

  for (const unit of units.keys()) {
    const summaries = summariesOf(subscriber.messages, `${sensorId(unit)}.v`).filter(({ stats }) => stats !== undefined);
    for (const { id, stats } of summaries) expect(stats, id).toMatchObject({ min: unit * 100, max: unit * 100, mean: unit * 100 });
    if (GOOD.includes(unit))
      expect(Math.max(...summaries.map(({ stats }) => stats?.samples ?? 0)), sensorId(unit)).toBeGreaterThanOrEqual(4);
    else expect(summaries, `${sensorId(unit)} never answered in time`).toEqual([]);
  }
  const best = summariesOf(subscriber.messages, "unit-1.v").map(({ stats }) => stats?.samples ?? 0);
  expect(Math.max(...best), "the dead and the late cost the good one nothing").toBeGreaterThanOrEqual(9);
  expectWholeHistory(subscriber.messages, PREFIX);
  expectGoodManners(slaves);
});

/** The master asks one at a time, and leaves the gap between an answer and the next question. */
function expectGoodManners({ asked, strange }: ModbusSlaves): void {
  expect(strange, "bytes that were no question").toEqual([]);
  for (const [index, question] of asked.entries()) {
    const before = asked[index - 1];
    if (before === undefined) continue;
    // A late answer may cross the next question on the line: nobody can leave a gap after what has not arrived yet.
    const isAnswered = before.manner !== "late" && before.answeredAtMs !== null && before.answeredAtMs < question.atMs;
    // The far end looks when it can: the question before may have been there since the look before that.
    const sinceMs = question.atMs - (isAnswered ? (before.answeredAtMs ?? 0) : before.notBeforeMs);
    const label = `question ${index} to ${question.unit}, after ${before.unit} (${before.manner})`;
    expect(sinceMs, label).toBeGreaterThanOrEqual(isAnswered ? GAP_MS : TIMEOUT_MS - TIMER_MS);
  }
}
