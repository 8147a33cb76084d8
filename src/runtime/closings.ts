import type { StreamPlan } from "../core/reading/stream.ts";
import type { StreamId } from "../core/units/ids.ts";
import { type EpochMs, isoUtc } from "../core/units/time.ts";
import type { Events } from "../ports/events.ts";
import type { LiveStore } from "../ports/live-store.ts";
import type { Mark } from "../ports/outbox.ts";
import type { Closing } from "./close-schedule.ts";
import type { Ingest } from "./ingest.ts";
import { sameMeaning } from "./plan-change.ts";

interface ClosingWorld {
  readonly live: LiveStore;
  readonly ingest: Ingest;
  readonly events: Events;
}

const UNMARKED: Mark = { closedTo: 0 as EpochMs, lastStart: null };

/** The streams that are closed by themselves, as the closer of a node that starts knows them. `marks`: where the outbox stands. */
export function closingsOf(streams: readonly StreamPlan[], marks: ReadonlyMap<StreamId, Mark>, world: ClosingWorld): readonly Closing[] {
  const closed = streams.filter(({ policy, from }) => policy.is !== "withheld" && from === null);
  return closed.map((plan) => ({
    plan,
    index: world.live.streamIndex(plan.id),
    lane: world.ingest.lane(plan.sensitivity, plan.windowMs, plan.latenessMs),
    mark: marks.get(plan.id) ?? UNMARKED,
    isPlaced: false,
  }));
}

/**
 * The same for a node whose plan changed while it ran. A stream that means what it meant goes on where it stands. A window holds readings
 * of one meaning only, so one that was given another begins with the next window. A new stream begins with the present one.
 */
export function replannedClosings(
  before: readonly Closing[],
  streams: readonly StreamPlan[],
  marks: ReadonlyMap<StreamId, Mark>,
  world: ClosingWorld,
): readonly Closing[] {
  const known = new Map(before.map((closing) => [closing.plan.id, closing]));
  const closings = closingsOf(streams, marks, world);
  for (const closing of closings) {
    const old = known.get(closing.plan.id);
    if (old === undefined) {
      skipTo(closing, closing.lane.window, world.events);
      continue;
    }
    closing.mark = old.mark;
    if (old.lane === closing.lane && sameMeaning(old.plan, closing.plan)) closing.isPlaced = old.isPlaced;
    else skipOpen(closing, world.events);
  }
  return closings;
}

/** The open window is not published: it holds readings of two meanings. Of an unlabelled one nothing is known yet. */
export function skipOpen(closing: Closing, events: Events): void {
  const { lane, plan } = closing;
  if (lane.window !== null) skipTo(closing, (lane.window + plan.windowMs) as EpochMs, events);
}

function skipTo(closing: Closing, to: EpochMs | null, events: Events): void {
  const from = closing.mark.closedTo;
  if (to === null || to <= from) return;
  closing.mark = { ...closing.mark, closedTo: to };
  if (from > 0) events.emit({ type: "WindowsSkipped", stream: closing.plan.id, from: isoUtc(from), to: isoUtc(to) });
}
