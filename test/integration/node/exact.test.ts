import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalStatus } from "../../../src/runtime/status.ts";
import { Seeded } from "../../../src/testing/driver-checks/seeded.ts";
import { expectGauge } from "../../support/gauge-oracle.ts";
import { Lab } from "../../support/lab.ts";
import { PREFIX, stoep } from "../../support/node-process.ts";
import type { PtyPair } from "../../support/pty.ts";
import { type Dust, FRAME_BYTES, feedInPieces, randomDust, randomNuisance, sds011Frame } from "../../support/sds011.ts";
import { announcedSeed } from "../../support/seed.ts";
import type { Received } from "../../support/subscriber.ts";
import { expectEveryWindow, expectWholeHistory, samplesIn, summariesOf } from "../../support/summaries.ts";

const FEED_MS = 21_000;
/** Long enough for the last window to be over and closed. */
const CLOSE_MS = 25_000;

/** What a sensor was made to say. */
interface Told {
  readonly readings: Dust[];
  bytes: number;
  readonly discarded: { noise: number; checksum: number; length: number };
}

const nothing = (): Told => ({ readings: [], bytes: 0, discarded: { noise: 0, checksum: 0, length: 0 } });

/** Readings by chance at uneven distances, for so long. */
async function tell(seeded: Seeded, say: (reading: Dust, told: Told) => Promise<void>): Promise<Told> {
  const told = nothing();
  const untilMs = performance.now() + FEED_MS;
  while (performance.now() < untilMs) {
    const reading = randomDust(seeded);
    await say(reading, told);
    told.readings.push(reading);
    await wait(5 + seeded.below(40));
  }
  return told;
}

function tellCleanly(pty: PtyPair, seeded: Seeded): Promise<Told> {
  return tell(seeded, async (reading, told) => {
    told.bytes += FRAME_BYTES;
    await pty.feed(sds011Frame(reading));
  });
}

/** The same with split writes, torn frames, garbage and wrong checksums in between. */
function tellBadly(pty: PtyPair, seeded: Seeded): Promise<Told> {
  return tell(seeded, async (reading, told) => {
    if (seeded.below(2) === 0) {
      const { bytes, discarded } = randomNuisance(seeded);
      told.bytes += bytes.length;
      told.discarded.noise += discarded.noise;
      told.discarded.checksum += discarded.checksum;
      told.discarded.length += discarded.length;
      await feedInPieces(pty, bytes, seeded);
    }
    told.bytes += FRAME_BYTES;
    await feedInPieces(pty, sds011Frame(reading), seeded);
  });
}

describe("a node on pseudo terminals, with a real broker and an independent subscriber", () => {
  const lab = new Lab();
  let clean = nothing();
  let noisy = nothing();
  let messages: readonly Received[] = [];
  let status: LocalStatus;
  let asText = "";

  beforeAll(
    async () => {
      const seed = announcedSeed("exact summaries");
      const [broker, cleanPty, noisyPty] = await Promise.all([lab.mosquitto(), lab.pty(), lab.pty()]);
      const subscriber = await lab.subscriber(broker.url);
      const sensor = (path: string): object => ({ driver: "sds011", serial: { path } });
      const site = lab.site({ broker: { url: broker.url }, sensors: { clean: sensor(cleanPty.path), noisy: sensor(noisyPty.path) } });
      const node = site.run();
      await node.event("SensorOpened", ({ sensor: id }) => id === "clean");
      await node.event("SensorOpened", ({ sensor: id }) => id === "noisy");
      [clean, noisy] = await Promise.all([tellCleanly(cleanPty, new Seeded(seed)), tellBadly(noisyPty, new Seeded(seed + 1))]);
      const wanted = 2 * (clean.readings.length + noisy.readings.length);
      const isAllIn = ({ sensors }: LocalStatus): boolean =>
        sensors.clean?.counters?.bytes === clean.bytes && sensors.noisy?.counters?.bytes === noisy.bytes;
      await site.statusWhen(isAllIn);
      status = JSON.parse((await stoep(["status", site.file, "--json"])).stdout) as LocalStatus;
      asText = (await stoep(["status", site.file])).stdout;
      await subscriber.waitFor((all) => samplesIn(summariesOf(all)) >= wanted, CLOSE_MS).catch(() => {}); // what is missing is told below
      await node.stop();
      ({ messages } = subscriber);
    },
    FEED_MS + CLOSE_MS + 30_000,
  );
  afterAll(() => lab.close());

  const readingsOf = (stream: string): readonly number[] => {
    const { readings } = stream.startsWith("clean") ? clean : noisy;
    return readings.map((reading) => (stream.endsWith("pm25") ? reading.pm25 : reading.pm10));
  };

  /** Windows share out the readings in the order in which they were sent: each takes as many as it says. */
  function expectExactly(stream: string): void {
    const summaries = summariesOf(messages, stream);
    const sent = readingsOf(stream);
    expect(samplesIn(summaries)).toBe(sent.length);
    let from = 0;
    for (const { id, stats } of summaries) {
      const to = from + (stats?.samples ?? 0);
      if (to > from) expectGauge(stats, sent.slice(from, to), id);
      from = to;
    }
  }

  it.each(["clean.pm25", "clean.pm10"])("summarises exactly what was sent, in order and nothing else: %s", expectExactly);

  it.each(["noisy.pm25", "noisy.pm10"])("does so through split writes, torn frames, garbage and wrong checksums: %s", expectExactly);

  it("numbers summaries without a hole, chains them by prev, and names them as the contract says", () => {
    expectEveryWindow(expectWholeHistory(messages, PREFIX));
  });

  it("covers a window in which a sensor never paused from end to end", () => {
    const inner = summariesOf(messages, "noisy.pm10").slice(1, -1);
    expect(inner.length).toBeGreaterThan(0);
    for (const summary of inner) expect(summary).toMatchObject({ coverage: 1, quality: "ok", flags: [], time: "operator" });
  });

  it("says how many bytes were discarded for which reason, exactly, and that its books balance", () => {
    const { readings, bytes, discarded } = noisy;
    expect(status.sensors.noisy).toMatchObject({ state: "ok", balanced: true, counters: { bytes, emitted: 2 * readings.length } });
    expect(status.sensors.noisy?.counters).toMatchObject({ stored: 2 * readings.length, setAside: 0, discardedBytes: discarded });
    expect(Object.values(status.sensors.noisy?.counters?.dropped ?? {}).every((count) => count === 0)).toBe(true);
    expect(asText).toContain(`${discarded.checksum} checksum bytes`);
    expect(status.sensors.clean?.counters).toMatchObject({ bytes: clean.bytes, discardedBytes: {}, stored: 2 * clean.readings.length });
  });
});
