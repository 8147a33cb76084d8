import { measure } from "../child.ts";
import type { NoisedYearInput } from "../children/noised-year.ts";
import type { Row } from "../row.ts";

const REACH_MS = 20;
/** A row a release would make 700,800 rows of it. */
const REACH_MEGABYTES = 2;

interface Answer {
  readonly closeMs: readonly number[];
  readonly spans: number;
  readonly ledgerBytes: number;
  readonly fileBytes: number;
  readonly numbers: number;
}

/** What noise and its bookkeeping cost over a year: time of a closing, size of the ledger. */
export const noisedYearRow: Row = {
  name: "noised-year",
  what: "closing 20 noised streams at once, p95 over a year of 15 min windows with a gap a day; the ledger after it",
  reach: `<= ${REACH_MS} ms, <= ${REACH_MEGABYTES} MB`,
  against: "a row of the ledger for each release",
  async run(effort) {
    const input: NoisedYearInput = { streams: 20, days: effort.of(365, 7), windowsBetweenGaps: 96 };
    const { closeMs, spans, ledgerBytes, fileBytes, numbers } = await measure<Answer>("noised-year", input);
    const sorted = closeMs.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
    const releases = closeMs.length * input.streams;
    return {
      measured: `${at(0.95).toFixed(1)} ms; ${spans} rows, ${(ledgerBytes / 1e6).toFixed(2)} MB`,
      baseline: `${releases} rows`,
      ratio: spans / releases,
      isReached: at(0.95) <= REACH_MS && ledgerBytes <= REACH_MEGABYTES * 1e6,
      details: { ...input, p50Ms: at(0.5), p95Ms: at(0.95), maxMs: at(1), spans, ledgerBytes, fileBytes, releases, numbers },
    };
  },
};
