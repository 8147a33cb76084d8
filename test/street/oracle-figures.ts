import type { Truth } from "./instruments/instrument.ts";
import type { Sample } from "./street-log.ts";

/** The statistic of a summary, as it stands in JSON. */
export type Figures = Readonly<Record<string, unknown>>;

/** A number as a fraction of whole numbers: nothing is rounded before it is compared. */
interface Exact {
  readonly top: bigint;
  readonly bottom: bigint;
}

const exactly = (top: bigint, bottom = 1n): Exact => ({ top, bottom });

/** Where two ways of computing with floats may round a tie differently. */
const TIE = 1e-7;
const HOUR_MS = 3_600_000;
const SLOT_MS = 60_000;
/** Decimals of a resultant length. */
const RESULTANT_DECIMALS = 3;

/**
 * What is wrong with the statistic of these values, by the rules of CONTRACT §3, or null. Nothing of it is computed as the node does:
 * values are whole steps, sums are whole numbers of any size, and what is published is compared as a fraction.
 */
export function wrongFigure(what: Truth, stats: Figures, inside: readonly Sample[], window: Window): string | null {
  const wanted = new Map<string, (said: number) => boolean>([["samples", (said) => said === inside.length]]);
  if (what.kind === "counter") addCounter(wanted, what, inside, window);
  else if (inside.length === 0) return "has a statistic, and no value was told";
  else if (what.kind === "direction") addDirection(wanted, inside);
  else addValues(wanted, what, inside);
  if (what.kind === "gauge") addSpread(wanted, what, inside, stats);
  const names = [...wanted.keys()];
  for (const [name, isRight] of wanted) {
    const figure = stats[name];
    if (name === "stddev" && inside.length === 1 && figure === null) continue;
    if (typeof figure !== "number" || !isRight(figure)) return `${name} is ${String(figure)} of ${inside.length} values`;
  }
  const others = Object.keys(stats).filter((name) => !names.includes(name));
  return others.length === 0 ? null : `has ${others.join(", ")}`;
}

interface Window {
  readonly startMs: number;
  readonly windowMs: number;
}

type Wanted = Map<string, (said: number) => boolean>;

/** Whether a figure of so many decimals is the nearest to an exact number. Both neighbours of a tie are. */
function isNearest(figure: number, { top, bottom }: Exact, decimals: number): boolean {
  const units = BigInt(Math.round(figure * 10 ** decimals));
  if (Number(units) / 10 ** decimals !== figure) return false;
  const off = 2n * (units * bottom - top * 10n ** BigInt(decimals));
  return off <= bottom && -off <= bottom;
}

const sumOf = (inside: readonly Sample[]): bigint => inside.reduce((sum, { steps }) => sum + BigInt(steps), 0n);
const power = (scale: number): bigint => 10n ** BigInt(scale);

function addValues(wanted: Wanted, { kind, scale, decimals }: Truth, inside: readonly Sample[]): void {
  const ascending = inside.map(({ steps }) => steps).toSorted((a, b) => a - b);
  const n = ascending.length;
  // Nearest rank: the smallest value that at least so many in a hundred do not exceed.
  const rank = (percent: number): number => ascending[Math.max(1, Math.ceil((percent * n) / 100)) - 1] as number;
  const value = (steps: number) => (said: number) => isNearest(said, exactly(BigInt(steps), power(scale)), decimals);
  if (kind === "level") {
    wanted.set("lamax", value(ascending[n - 1] as number));
    // L10 is the level that was exceeded a tenth of the time.
    for (const [name, percent] of [["l10", 90] as const, ["l50", 50] as const, ["l90", 10] as const])
      wanted.set(name, value(rank(percent)));
    const laeq = energyMean(ascending, scale);
    wanted.set("laeq", (said) => Math.abs(said - laeq) <= 0.5 * 10 ** -decimals + TIE);
    return;
  }
  wanted.set("min", value(ascending[0] as number));
  wanted.set("max", value(ascending[n - 1] as number));
  wanted.set("p50", value(rank(50)));
  wanted.set("p95", value(rank(95)));
  wanted.set("mean", (said) => isNearest(said, exactly(sumOf(inside), BigInt(n) * power(scale)), decimals + 1));
}

/** The level of the mean energy, from the loudest down: how much less energy than the loudest each had (ISO 1996-1). */
function energyMean(ascending: readonly number[], scale: number): number {
  const unit = 10 ** scale;
  const loudest = (ascending.at(-1) as number) / unit;
  const share = ascending.reduce((sum, steps) => sum + Math.exp((Math.LN10 * (steps / unit - loudest)) / 10), 0);
  return loudest + (10 * Math.log(share / ascending.length)) / Math.LN10;
}

/** The sample standard deviation, compared by its square: (n Σx² - (Σx)²) / (n (n - 1)) is a fraction of whole numbers. */
function addSpread(wanted: Wanted, { scale, decimals }: Truth, inside: readonly Sample[], stats: Figures): void {
  const n = BigInt(inside.length);
  const sum = sumOf(inside);
  const squares = inside.reduce((total, { steps }) => total + BigInt(steps) ** 2n, 0n);
  wanted.set("stddev", (said) => {
    if (n === 1n) return stats.stddev === null;
    const digits = decimals + 1;
    const units = BigInt(Math.round(said * 10 ** digits));
    // (2 units ± 1)² beside 4 s² 10^(2 digits), all over the same bottom.
    const top = 4n * (n * squares - sum * sum) * power(2 * digits);
    const bottom = n * (n - 1n) * power(2 * scale);
    const isAbove = (2n * units + 1n) ** 2n * bottom >= top;
    const isBelow = units === 0n || (2n * units - 1n) ** 2n * bottom <= top;
    return Number(units) / 10 ** digits === said && isAbove && isBelow;
  });
}

/** The mean of vectors, counted degree by degree. */
function addDirection(wanted: Wanted, inside: readonly Sample[]): void {
  const counts = new Map<number, number>();
  for (const { steps } of inside) counts.set(steps % 360, (counts.get(steps % 360) ?? 0) + 1);
  let [x, y] = [0, 0];
  for (const [degrees, count] of counts) {
    x += count * Math.cos((degrees / 180) * Math.PI);
    y += count * Math.sin((degrees / 180) * Math.PI);
  }
  const length = Math.sqrt(x * x + y * y) / inside.length;
  const mean = (Math.atan2(y, x) / Math.PI) * 180;
  wanted.set("resultant", (said) => Math.abs(said - length) <= 0.5 * 10 ** -RESULTANT_DECIMALS + TIE);
  wanted.set("mean", (said) => {
    const off = Math.abs(((said - mean + 540) % 360) - 180);
    return said >= 0 && said < 360 && off <= 0.05 + TIE / Math.max(TIE, length);
  });
}

/** The sum, and the busiest whole minute of the window as a rate per hour. */
function addCounter(wanted: Wanted, { scale, decimals }: Truth, inside: readonly Sample[], { startMs, windowMs }: Window): void {
  const slotMs = Math.min(SLOT_MS, windowMs);
  const slots = new Map<number, bigint>();
  for (const { atMs, steps } of inside) {
    // Where arrival decided that it is in this window, it is in the first or last minute of it.
    const slot = Math.min(Math.ceil(windowMs / slotMs) - 1, Math.max(0, Math.floor((atMs - startMs) / slotMs)));
    slots.set(slot, (slots.get(slot) ?? 0n) + BigInt(steps));
  }
  const peak = [...slots.values()].reduce((most, sum) => (sum > most ? sum : most), 0n);
  wanted.set("sum", (said) => isNearest(said, exactly(sumOf(inside), power(scale)), decimals));
  wanted.set("peakPerHour", (said) => isNearest(said, exactly(peak * BigInt(HOUR_MS), BigInt(slotMs) * power(scale)), decimals + 1));
}
