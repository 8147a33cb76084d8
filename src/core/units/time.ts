import type { Brand } from "./brand.ts";

/** Milliseconds since 1970-01-01T00:00:00Z on a wall clock. Whole numbers. */
export type EpochMs = Brand<number, "EpochMs">;
/** Milliseconds on the monotonic clock of one boot (CLOCK_MONOTONIC); may have a fraction, never goes back. */
export type MonotonicMs = Brand<number, "MonotonicMs">;
/** A length of time in milliseconds. */
export type DurationMs = Brand<number, "DurationMs">;

export const epochMs = (value: number): EpochMs => value as EpochMs;
export const monotonicMs = (value: number): MonotonicMs => value as MonotonicMs;
export const durationMs = (value: number): DurationMs => value as DurationMs;

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** RFC 3339 in UTC with `Z`; milliseconds are written only when there are any: `2026-11-23T10:00:00Z`. */
export function isoUtc(at: EpochMs): string {
  const text = new Date(at).toISOString();
  return text.endsWith(".000Z") ? `${text.slice(0, -5)}Z` : text;
}

/** ISO 8601 duration of a window, as summary ids carry it: 10 s is `PT10S`, 15 min `PT15M`, 1 h `PT1H`, 1 d `P1D`. */
export function isoDuration(length: DurationMs): string {
  if (length % DAY_MS === 0) return `P${length / DAY_MS}D`;
  if (length % HOUR_MS === 0) return `PT${length / HOUR_MS}H`;
  if (length % MINUTE_MS === 0) return `PT${length / MINUTE_MS}M`;
  return `PT${length / SECOND_MS}S`;
}
