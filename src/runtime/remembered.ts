import type { StreamId } from "../core/units/ids.ts";
import { type EpochMs, epochMs } from "../core/units/time.ts";
import { AGEING_FACT, COURSES_FACT, type Mark, type Outbox, TRUSTED_FACT } from "../ports/outbox.ts";

/** What the outbox remembers of earlier runs. */
export interface Remembered {
  readonly marks: ReadonlyMap<StreamId, Mark>;
  /** What `COURSES_FACT` holds. */
  readonly courses: string | null;
  /** The latest time that was ever trusted; null when there was none. */
  readonly lastTrustedMs: EpochMs | null;
  /** What `TimeDesk` wrote down of the last leap of trusted time. */
  readonly ageingFromMs: EpochMs | null;
}

/** Rejects with `OutboxError`. */
export async function remember(outbox: Outbox): Promise<Remembered> {
  const marks = await outbox.marks();
  const courses = await outbox.recall(COURSES_FACT);
  const lastTrustedMs = lastTrusted(await outbox.recall(TRUSTED_FACT), marks);
  return { marks, courses, lastTrustedMs, ageingFromMs: instant(await outbox.recall(AGEING_FACT)) };
}

/** What an earlier run wrote down, or, in a store of an earlier release, how far windows are closed. */
function lastTrusted(fact: string | null, marks: ReadonlyMap<StreamId, Mark>): EpochMs | null {
  const noted = instant(fact);
  if (noted !== null) return noted;
  const closedTo = Math.max(0, ...[...marks.values()].map((mark) => mark.closedTo));
  return closedTo === 0 ? null : epochMs(closedTo);
}

const instant = (fact: string | null): EpochMs | null => (fact !== null && /^[0-9]{1,16}$/.test(fact) ? epochMs(Number(fact)) : null);
