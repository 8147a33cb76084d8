import { measure } from "../child.ts";
import type { DrawsInput } from "../children/draws.ts";
import { median } from "../figures.ts";
import type { Row } from "../row.ts";

const REACH_PER_SECOND = 100_000;

const thousands = (perSecond: number): string => `${Math.round(perSecond / 1_000)} k draws/s`;

/** Whether noise costs anything that is worth a thought. */
export const drawsRow: Row = {
  name: "draws",
  what: "discrete Laplace noise, scale 1, random bytes of the system",
  reach: `>= ${REACH_PER_SECOND / 1_000} k/s`,
  against: "the same at epsilon 0.0123, whose fractions are longer",
  async run(effort) {
    const input: DrawsInput = { scales: ["1", "10000/123"], drawsPerRound: 200_000, rounds: effort.of(9, 3) };
    const { perSecond } = await measure<{ perSecond: readonly (readonly number[])[] }>("draws", input);
    const [measured = 0, other = 0] = perSecond.map(median);
    return {
      measured: thousands(measured),
      baseline: `${thousands(other)} (scale 10000/123)`,
      ratio: measured / other,
      isReached: measured >= REACH_PER_SECOND,
      details: { ...input, perSecond },
    };
  },
};
