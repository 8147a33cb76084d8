import { DAY_MS, type DurationMs, type EpochMs } from "../units/time.ts";
import { windowStart } from "./lattice.ts";

/** A span of time `[from, to)`. */
export interface Span {
  readonly from: EpochMs;
  readonly to: EpochMs;
}

/**
 * Where a stream may still release windows, besides going on from where it stands. A clock that was trusted too far ahead makes a stream
 * pass over years (`free`); when the clock comes back, the stream goes on in what it passed over, as far as `until`, and from there
 * with the next free span, or beyond everything that it ever released (`reach`). So no window is ever released a second time.
 */
export interface Course {
  /** End of the free span that the stream is in; null: it is further than ever before. */
  readonly until: EpochMs | null;
  /** Nothing at or after this was ever released. Counts where `until` is not null. */
  readonly reach: EpochMs;
  /** Spans in which nothing was ever released, ascending, besides the one that the stream is in. */
  readonly free: readonly Span[];
}

/** A stream that has never been ahead of its time. */
export const STRAIGHT: Course = { until: null, reach: 0 as EpochMs, free: [] };
/** A stream of which it is not known any more what was released: it releases nothing. */
export const LOST: Course = { until: 0 as EpochMs, reach: (8.64e15 - DAY_MS) as EpochMs, free: [] }; // the last day that a Date can name

/** The most free spans that are remembered; the shortest is forgotten, which costs a way back and never a promise. */
export const FREE_SPANS_MAX = 8;

/** A stream's place: what is before `closedTo`, as far as its course goes, is closed. */
export interface Place {
  readonly closedTo: EpochMs;
  readonly course: Course;
}

/** Moves on to the first window at or after `to` that may be released. What is passed over may be come back to. */
export function moveOn({ closedTo, course }: Place, to: EpochMs, windowMs: DurationMs): Place {
  const end = course.until ?? Number.POSITIVE_INFINITY;
  const start = onLattice(Math.max(to, closedTo), windowMs);
  if (start + windowMs <= end) return { closedTo: start, course: { ...course, free: withFree(course.free, closedTo, start) } };
  const regions = [...course.free.filter(({ from }) => from >= end), { from: course.reach, to: Number.POSITIVE_INFINITY }];
  const free = withFree(course.free, closedTo, end);
  for (const region of regions) {
    const next = onLattice(Math.max(region.from, to), windowMs);
    if (next + windowMs > region.to) continue;
    const until = region.to === Number.POSITIVE_INFINITY ? null : (region.to as EpochMs);
    const others = free.filter(({ from }) => from !== region.from);
    return { closedTo: next, course: { until, reach: course.reach, free: withFree(others, region.from, next) } };
  }
  return { closedTo, course }; // not reached: the last region has no end
}

/** The place itself, or the first one after it where a whole window may be released. */
export function settled(place: Place, windowMs: DurationMs): Place {
  const { closedTo, course } = place;
  return course.until === null || closedTo + windowMs <= course.until ? place : moveOn(place, closedTo, windowMs);
}

/** Goes back to a free span that `now` lies in, or shortly before; null where there is none, or the place is not ahead of `now`. */
export function comeBack({ closedTo, course }: Place, now: EpochMs, windowMs: DurationMs): Place | null {
  if (closedTo <= now + windowMs) return null;
  const present = windowStart(now, windowMs);
  for (const span of course.free) {
    const first = onLattice(span.from, windowMs);
    if (first > present + windowMs || Math.max(first, present) + windowMs > span.to) continue;
    const others = course.free.filter((one) => one !== span);
    const reach = course.until === null ? closedTo : course.reach;
    const left = course.until === null ? others : withFree(others, closedTo, course.until);
    return { closedTo: first, course: { until: span.to, reach, free: left } };
  }
  return null;
}

/** Spans ahead of the place in which nothing may be released any more. */
export function spentSpans({ until, reach, free }: Course): readonly Span[] {
  if (until === null) return [];
  const spent: Span[] = [];
  let from = until;
  for (const span of free.filter((one) => one.from >= until)) {
    if (span.from > from) spent.push({ from, to: span.from });
    from = span.to;
  }
  if (reach > from) spent.push({ from, to: reach });
  return spent;
}

function onLattice(at: number, windowMs: DurationMs): EpochMs {
  return (Math.ceil(at / windowMs) * windowMs) as EpochMs;
}

/** With `[from, to)` among them: ascending, disjoint, not too many. */
function withFree(free: readonly Span[], from: number, to: number): readonly Span[] {
  if (to <= from) return free;
  let merged = { from: from as EpochMs, to: to as EpochMs };
  const apart: Span[] = [];
  for (const span of free) {
    if (span.to < merged.from || span.from > merged.to) apart.push(span);
    else merged = { from: Math.min(span.from, merged.from) as EpochMs, to: Math.max(span.to, merged.to) as EpochMs };
  }
  const all = [...apart, merged].sort((a, b) => a.from - b.from);
  if (all.length <= FREE_SPANS_MAX) return all;
  const shortest = all.reduce((least, span) => (span.to - span.from < least.to - least.from ? span : least));
  return all.filter((span) => span !== shortest);
}
