import { DAY_MS, type EpochMs, HOUR_MS, MINUTE_MS } from "../units/time.ts";
import { type Window, windowStart } from "./lattice.ts";

/** Longest day of a time zone: 24 h, and an hour or two when clocks are put back (tz database: never more than 26 h since 1970). */
const LONGEST_DAY_MS = 27 * HOUR_MS;
/** Years whose offsets count for `offsetsOf`: rules of the tz database repeat yearly, a few are announced years ahead. */
const OFFSET_YEARS = [2025, 2040] as const;

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const digits = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  const format = new Intl.DateTimeFormat("en-u-ca-iso8601-nu-latn", { timeZone, hourCycle: "h23", ...digits });
  formats.set(timeZone, format);
  return format;
}

/** What the clocks of a time zone show, as if it were UTC. */
function localMs(at: number, timeZone: string): number {
  const parts = Object.fromEntries(
    formatOf(timeZone)
      .formatToParts(at)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

const localDay = (at: number, timeZone: string): number => Math.floor(localMs(at, timeZone) / DAY_MS);

/**
 * The calendar day that `at` lies in, from its first minute to the first of the next: 23 or 25 hours long when clocks are moved. Null:
 * the day of UTC. Days of a time zone never go back, so that their first minute is found by halving.
 */
export function dayAt(at: EpochMs, timeZone: string | null): Window {
  if (timeZone === null) {
    const start = windowStart(at, DAY_MS as Parameters<typeof windowStart>[1]);
    return { start, end: (start + DAY_MS) as EpochMs };
  }
  const day = localDay(at, timeZone);
  const start = firstMinute(day, timeZone, at - LONGEST_DAY_MS, at);
  return { start, end: firstMinute(day + 1, timeZone, at, at + LONGEST_DAY_MS) };
}

/** The first minute of local day `day` in `(low, high]`. */
function firstMinute(day: number, timeZone: string, lowMs: number, highMs: number): EpochMs {
  let low = Math.floor(lowMs / MINUTE_MS);
  let high = Math.floor(highMs / MINUTE_MS);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (localDay(middle * MINUTE_MS, timeZone) >= day) high = middle;
    else low = middle;
  }
  return (high * MINUTE_MS) as EpochMs;
}

/** Every distance from UTC that a time zone has or will have by the rules known today, in minutes. */
export function offsetsOf(timeZone: string): readonly number[] {
  const offsets = new Set<number>();
  for (let year = OFFSET_YEARS[0]; year <= OFFSET_YEARS[1]; year++) {
    for (let month = 0; month < 12; month++) {
      const at = Date.UTC(year, month, 15);
      offsets.add((localMs(at, timeZone) - at) / MINUTE_MS);
    }
  }
  return [...offsets];
}
