import { measure } from "../child.ts";
import type { CostInput } from "../children/cost-by-streams.ts";
import { median } from "../figures.ts";
import type { Row } from "../row.ts";

const REACH = 1.2;
const STREAMS = [1, 50, 1_000];
const READINGS_PER_WINDOW = 300_000;

/**
 * What a reading costs from the driver's call to the statistic and the purge. The summary is left out: it costs the same for one
 * reading as for a million. Windows hold the same number of readings, whoever they are of.
 */
export const costByStreamsRow: Row = {
  name: "streams",
  what: "a reading's cost (taken in, stored, read back, sorted, in a statistic, purged) with 1,000 streams",
  reach: `<= ${REACH} x`,
  against: "the same with 1 stream",
  async run(effort) {
    const costs = new Map<number, number[]>(STREAMS.map((streams) => [streams, []]));
    for (let repeat = 0; repeat < effort.of(3, 1); repeat++) {
      for (const streams of STREAMS) {
        const input: CostInput = { streams, readingsPerWindow: READINGS_PER_WINDOW, windows: effort.of(9, 3) };
        const { usPerReading } = await measure<{ usPerReading: readonly number[] }>("cost-by-streams", input);
        costs.get(streams)?.push(...usPerReading);
      }
    }
    const us = (streams: number): number => median(costs.get(streams) ?? []);
    const ratio = us(1_000) / us(1);
    effort.say(STREAMS.map((streams) => `${streams}: ${us(streams).toFixed(3)} us`).join(", "));
    return {
      measured: `${us(1_000).toFixed(3)} us CPU`,
      baseline: `${us(1).toFixed(3)} us CPU`,
      ratio,
      isReached: ratio <= REACH,
      details: { readingsPerWindow: READINGS_PER_WINDOW, cpuUsPerReading: Object.fromEntries(costs) },
    };
  },
};
