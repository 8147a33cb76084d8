import { hasTerms } from "../core/anonymise/terms.ts";
import type { Sensitivity } from "../core/reading/quantity.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import type { StreamId } from "../core/units/ids.ts";
import { type DurationMs, type EpochMs, isoUtc } from "../core/units/time.ts";
import { type Course, comeBack, moveOn, type Place, settled, spentSpans } from "../core/window/course.ts";
import { windowStart } from "../core/window/lattice.ts";
import type { Events } from "../ports/events.ts";
import type { LiveStore } from "../ports/live-store.ts";
import type { Mark } from "../ports/outbox.ts";
import type { CourseBook } from "./course-book.ts";
import type { Lane } from "./lane.ts";

/** Windows without readings that are published as missing after an absence or a jump, per stream; a longer one shows in `prev` only. */
export const CATCH_UP_WINDOWS_MAX = 96;

/** A stream as the closer knows it. */
export interface Closing {
  readonly plan: StreamPlan;
  /** Number of its readings in the live store. */
  readonly index: number;
  /** Of a group: the numbers of its members. */
  readonly members: readonly number[];
  readonly lane: Lane;
  mark: Mark;
  /** What it passed over, and may come back to. Written down together with `mark`. */
  course: Course;
  /** Whether `mark` is where this stream really stands, which is known when time is trusted. */
  isPlaced: boolean;
}

/** The oldest window that is over, with every stream that closes it now. */
export interface DueWindow {
  readonly windowMs: DurationMs;
  readonly window: EpochMs;
  readonly streams: readonly Closing[];
}

/** Knows up to where each stream is closed, and which window is next. */
export class CloseSchedule {
  readonly #streams: readonly Closing[];
  readonly #lanes: ReadonlySet<Lane>;
  readonly #live: LiveStore;
  readonly #events: Events;
  #isTidied = false;

  constructor(streams: readonly Closing[], live: LiveStore, events: Events) {
    this.#streams = streams;
    this.#live = live;
    this.#events = events;
    // What waits for the clock must not be labelled with windows that an earlier run closed.
    this.#lanes = new Set(streams.map(({ lane }) => lane));
    for (const lane of this.#lanes) lane.closedTo = Math.max(lane.closedTo, this.#closedIn(lane)) as EpochMs;
    this.#tellSpent();
  }

  /** Whether windows were closed that are not over yet by the clock of now: nothing can be made until it is past them. */
  isAhead(now: EpochMs): boolean {
    return this.#streams.some(({ mark, plan, isPlaced }) => isPlaced && mark.closedTo > now + plan.windowMs);
  }

  /** Takes over what is on the card: where a stream stands, and what it passed over. Streams that are not there stay where they are. */
  restore(marks: ReadonlyMap<StreamId, Mark>, courses: Pick<CourseBook, "of">): void {
    for (const stream of this.#streams) {
      const { id } = stream.plan;
      const mark = marks.get(id);
      if (mark !== undefined) Object.assign(stream, { mark, course: courses.of(id), isPlaced: false });
    }
  }

  /**
   * Where the clock came back to a time that streams passed over, they go on there. Called when time is trusted anew, before what waited
   * is labelled.
   */
  comeBack(now: EpochMs): void {
    const back = new Set<Lane>();
    for (const stream of this.#streams) {
      const place = comeBack(placeOf(stream), now, stream.plan.windowMs);
      if (place === null) continue;
      this.#events.emit({ type: "StreamCameBack", stream: stream.plan.id, from: isoUtc(stream.mark.closedTo), to: isoUtc(place.closedTo) });
      stream.mark = { ...stream.mark, closedTo: place.closedTo };
      stream.course = place.course;
      back.add(stream.lane);
    }
    for (const lane of back) lane.closedTo = this.#closedIn(lane);
    this.#tellSpent();
  }

  #tellSpent(): void {
    for (const lane of this.#lanes) {
      lane.setSpent(this.#streams.filter((stream) => stream.lane === lane).flatMap(({ course }) => spentSpans(course)));
    }
  }

  /** How far every stream of a lane is closed. */
  #closedIn(lane: Lane): EpochMs {
    return Math.min(...this.#streams.filter((stream) => stream.lane === lane).map(({ mark }) => mark.closedTo)) as EpochMs;
  }

  /** The oldest window that is over, with every stream that closes it now. */
  next(now: EpochMs): DueWindow | null {
    this.#skip(now);
    for (const stream of this.#streams) {
      if (stream.course.until !== null) this.#skipTo(stream, settled(placeOf(stream), stream.plan.windowMs).closedTo);
    }
    let first: Closing | null = null;
    const due: Closing[] = [];
    for (const stream of this.#streams) {
      if (!isDue(stream, now)) continue;
      due.push(stream);
      if (first === null || stream.mark.closedTo + stream.plan.windowMs < first.mark.closedTo + first.plan.windowMs) first = stream;
    }
    if (first === null) return null;
    const { windowMs } = first.plan;
    const window = first.mark.closedTo;
    return { windowMs, window, streams: due.filter((stream) => stream.plan.windowMs === windowMs && stream.mark.closedTo === window) };
  }

  /**
   * Where a stream begins: at its mark, or without one at the window that its oldest held readings are in, or at the present one.
   * A mark of another window length may lie within a window: that one was published in part, so it is passed over. Windows of people
   * that began before the node store was made (`born`) may have been released by another store: the first one is the next. When marks were
   * damaged (`isDoubtful`) a stream without one may have closed any window up to now: its first is the next too, whatever it measures.
   */
  place(now: EpochMs, born: EpochMs | null, isDoubtful: boolean): void {
    if (this.#streams.every((stream) => stream.isPlaced)) return;
    const oldest = this.#oldestHeld();
    // Not only the clock: it may have been set back since.
    const latest = Math.max(now, ...this.#streams.map(({ mark }) => mark.closedTo));
    for (const stream of this.#streams) {
      const { windowMs, sensitivity } = stream.plan;
      const first = oldest.get(`${sensitivity}/${windowMs}`) ?? windowStart(now, windowMs);
      const whole = (Math.ceil((born ?? now) / windowMs) * windowMs) as EpochMs;
      const held = hasTerms(stream.plan) && whole > first ? whole : first;
      if (stream.mark.closedTo === 0) {
        stream.mark = { ...stream.mark, closedTo: held };
        if (isDoubtful) this.#skipTo(stream, (Math.ceil(latest / windowMs) * windowMs) as EpochMs);
      } else this.#skipTo(stream, (Math.ceil(stream.mark.closedTo / windowMs) * windowMs) as EpochMs);
      stream.isPlaced = true;
    }
    for (const lane of this.#lanes) lane.closedTo = Math.max(lane.closedTo, this.#closedIn(lane)) as EpochMs;
  }

  /** Nobody will close these any more: windows closed by an earlier run that died before its purge, classes of an earlier config. */
  tidy(): void {
    if (this.#isTidied) return;
    for (const { sensitivity, windowMs } of this.#live.held()) {
      this.#live.purge(sensitivity, windowMs, this.closedByAll(sensitivity, windowMs));
    }
    this.#isTidied = true;
  }

  /** After an absence, or a jump of the clock, only so many windows are caught up with; those with readings always. */
  #skip(now: EpochMs): void {
    const isBehind = ({ mark, plan: { windowMs } }: Closing): boolean => mark.closedTo < earliestOf(now, windowMs);
    if (!this.#streams.some(isBehind)) return;
    const held = this.#live.held();
    for (const stream of this.#streams.filter(isBehind)) {
      const { windowMs, sensitivity } = stream.plan;
      let next = earliestOf(now, windowMs);
      for (const one of held) {
        const isOurs = one.sensitivity === sensitivity && one.windowMs === windowMs && one.window !== null;
        if (isOurs && one.window >= stream.mark.closedTo && one.window < next) next = one.window;
      }
      this.#skipTo(stream, next);
    }
  }

  #skipTo(stream: Closing, to: EpochMs): void {
    const from = stream.mark.closedTo;
    if (to <= from) return;
    const { closedTo, course } = moveOn(placeOf(stream), to, stream.plan.windowMs);
    stream.mark = { ...stream.mark, closedTo };
    stream.course = course;
    this.#events.emit({ type: "WindowsSkipped", stream: stream.plan.id, from: isoUtc(from), to: isoUtc(closedTo) });
  }

  #oldestHeld(): ReadonlyMap<string, EpochMs> {
    const oldest = new Map<string, EpochMs>();
    for (const { sensitivity, windowMs, window } of this.#live.held()) {
      if (window === null) continue;
      const key = `${sensitivity}/${windowMs}`;
      oldest.set(key, Math.min(oldest.get(key) ?? window, window) as EpochMs);
    }
    return oldest;
  }

  /** Up to where every stream of a class is closed: what lies before is not needed any more. */
  closedByAll(sensitivity: Sensitivity, windowMs: DurationMs): EpochMs {
    let closedTo = Number.MAX_SAFE_INTEGER;
    for (const { plan, mark } of this.#streams) {
      if (plan.sensitivity === sensitivity && plan.windowMs === windowMs) closedTo = Math.min(closedTo, mark.closedTo);
    }
    return closedTo as EpochMs;
  }
}

const placeOf = ({ mark, course }: Closing): Place => ({ closedTo: mark.closedTo, course });

function isDue({ plan, mark, lane, isPlaced }: Closing, now: EpochMs): boolean {
  const end = mark.closedTo + plan.windowMs;
  return isPlaced && end + plan.latenessMs <= now && lane.window !== null && end <= lane.window;
}

/** Start of the oldest window that is published as missing. */
function earliestOf(now: EpochMs, windowMs: DurationMs): EpochMs {
  return (windowStart(now, windowMs) - CATCH_UP_WINDOWS_MAX * windowMs) as EpochMs;
}
