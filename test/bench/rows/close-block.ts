import { measure } from "../child.ts";
import type { CloseBlockInput } from "../children/close-block.ts";
import { median } from "../figures.ts";
import type { Row } from "../row.ts";

const REACH_MS = 25;

/** How long serial ports wait when everything closes at once. */
export const closeBlockRow: Row = {
  name: "block",
  what: "longest block of the event loop while 1,000 streams of 300 readings close at once",
  reach: `<= ${REACH_MS} ms`,
  against: "the same loop with nothing to do",
  async run(effort) {
    const input: CloseBlockInput = { sensors: 500, readingsPerSummary: 300, rounds: effort.of(9, 3) };
    const { blocksMs, idleMs } = await measure<{ blocksMs: readonly number[]; idleMs: readonly number[] }>("close-block", input);
    const blockMs = median(blocksMs);
    return {
      measured: `${blockMs.toFixed(1)} ms`,
      baseline: `${median(idleMs).toFixed(1)} ms`,
      ratio: null,
      isReached: blockMs <= REACH_MS,
      details: { ...input, blocksMs, idleMs },
    };
  },
};
