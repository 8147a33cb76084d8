import { measure } from "../child.ts";
import type { FlashDay, FlashInput } from "../children/flash-days.ts";
import type { Row } from "../row.ts";

const REACH_MB = 20;
const SENSORS = 10;

/** What an SD card takes. The day that counts is one on which as much is deleted as is written: rows stay 72 h for replay. */
export const flashRow: Row = {
  name: "flash",
  what: `bytes written to flash a day, ${SENSORS * 2} streams of 5 min, broker up`,
  reach: `<= ${REACH_MB} MB`,
  against: "topics and payloads of the summaries of that day",
  async run(effort) {
    const input: FlashInput = { sensors: SENSORS, windowMs: 300_000, days: effort.of(5, 1) };
    const { days } = await measure<{ days: readonly FlashDay[] }>("flash-days", input);
    const last = days.at(-1);
    if (last === undefined) throw new Error("not a day went by");
    const megabytes = last.writtenBytes / 1e6;
    return {
      measured: `${megabytes.toFixed(1)} MB`,
      baseline: `${(last.summaryBytes / 1e6).toFixed(2)} MB in ${last.summaries} summaries`,
      ratio: last.writtenBytes / last.summaryBytes,
      isReached: megabytes <= REACH_MB,
      details: { ...input, method: "/proc/self/io write_bytes; the journal of the file system is not in it", days },
    };
  },
};
