import type { StreamId } from "../core/units/ids.ts";
import { type EpochMs, epochMs } from "../core/units/time.ts";
import { COURSES_FACT, type Mark, type Outbox, TRUSTED_FACT } from "../ports/outbox.ts";

/** What the outbox remembers of earlier runs. */
export interface Remembered {
  readonly marks: ReadonlyMap<StreamId, Mark>;
  /** What `COURSES_FACT` holds. */
  readonly courses: string | null;
  /** The latest time that was ever trusted; null when there was none. */
  readonly lastTrustedMs: EpochMs | null;
}

/** Rejects with `OutboxError`. */
export async function remember(outbox: Outbox): Promise<Remembered> {
  const marks = await outbox.marks();
  const courses = await outbox.recall(COURSES_FACT);
  return { marks, courses, lastTrustedMs: lastTrusted(await outbox.recall(TRUSTED_FACT), marks) };
}

/** What an earlier run wrote down, or, in a store of an earlier release, how far windows are closed. */
function lastTrusted(fact: string | null, marks: ReadonlyMap<StreamId, Mark>): EpochMs | null {
  if (fact !== null && /^[0-9]{1,16}$/.test(fact)) return epochMs(Number(fact));
  const closedTo = Math.max(0, ...[...marks.values()].map((mark) => mark.closedTo));
  return closedTo === 0 ? null : epochMs(closedTo);
}
