import { EPSILON, PEOPLE, PEOPLE_WINDOW_SECONDS } from "./layout.ts";
import type { HeardSummary } from "./oracle.ts";
import type { Street } from "./street.ts";

/** Laplace noise is beyond so many times its scale once in 10^17 draws. */
const NOISE_SCALES_MAX = 40;
/** A passage is known to the node a hold-off after its last line: it may be told of the next window. */
const BESIDE_MS = 3_000;

/** What was found out about the counts of people. */
export interface PeopleCompared {
  /** Counts that were published, cell by cell. */
  counts: number;
  /** Of those: told as they were. */
  asTheyWere: number;
  readonly problems: string[];
}

/** The numbers of a summary of people, with the cell of each. */
function countsOf({ cells, stats, histogram }: HeardSummary): readonly { cell: string | null; count: number | null }[] {
  if (cells !== undefined) return cells.map(({ direction, count }) => ({ cell: direction ?? null, count }));
  if (histogram !== undefined) return histogram.counts.map((count) => ({ cell: "speed", count }));
  return typeof stats?.sum === "number" ? [{ cell: null, count: stats.sum }] : [];
}

/** Every window of people between two instants is published, noised, and within the reach of its noise. */
export function comparePeople(street: Street, summaries: readonly HeardSummary[], fromMs: number, toMs: number): PeopleCompared {
  const compared: PeopleCompared = { counts: 0, asTheyWere: 0, problems: [] };
  const windowMs = PEOPLE_WINDOW_SECONDS * 1_000;
  for (const stream of PEOPLE) {
    for (let startMs = Math.ceil(fromMs / windowMs) * windowMs; startMs + windowMs <= toMs; startMs += windowMs) {
      const summary = summaries.find((one) => `${one.sensor}.${one.stream}` === stream && Date.parse(one.window.start) === startMs);
      if (summary === undefined) compared.problems.push(`${stream} tells nothing of ${new Date(startMs).toISOString()}`);
      else compareOne(street, summary, compared);
    }
  }
  return compared;
}

function compareOne(street: Street, summary: HeardSummary, compared: PeopleCompared): void {
  const { id, sensor, stream, window } = summary;
  const startMs = Date.parse(window.start);
  const endMs = Date.parse(window.end);
  // A speed is that of a passage.
  const samples = street.log.of(sensor, stream === "speed" ? "passages" : stream);
  const reach = NOISE_SCALES_MAX / EPSILON;
  const counts = countsOf(summary);
  if (counts.length === 0) compared.problems.push(`${id} has no number: ${String(summary.reason)}`);
  for (const { cell, count } of counts) {
    if (count === null) {
      compared.problems.push(`${id} leaves out ${String(cell)}`);
      continue;
    }
    const fits = samples.filter((sample) => cell === null || cell === "speed" || sample.cell === cell);
    const sure = fits.filter(({ atMs }) => atMs >= startMs + BESIDE_MS && atMs < endMs - BESIDE_MS).length;
    const around = fits.filter(({ atMs }) => atMs >= startMs - BESIDE_MS && atMs < endMs + BESIDE_MS).length;
    const least = cell === "speed" ? 0 : sure;
    if (count < least - reach || count > around + reach)
      compared.problems.push(`${id} tells ${count} of ${String(cell)}: ${sure} to ${around}`);
    if (cell === "speed") continue;
    compared.counts++;
    if (sure === around && count === sure) compared.asTheyWere++;
  }
}
