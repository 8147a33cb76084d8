import { assert } from "../core/assert.ts";
import { meaningOf, sameMeaning } from "../core/reading/meaning.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import type { StreamId } from "../core/units/ids.ts";
import { type EpochMs, isoUtc } from "../core/units/time.ts";
import { moveOn } from "../core/window/course.ts";
import type { Events } from "../ports/events.ts";
import type { LiveStore } from "../ports/live-store.ts";
import type { Mark } from "../ports/outbox.ts";
import type { Closing } from "./close-schedule.ts";
import type { CourseBook } from "./course-book.ts";
import type { Ingest } from "./ingest.ts";

interface ClosingWorld {
  readonly live: LiveStore;
  readonly ingest: Ingest;
  readonly events: Events;
}

const UNMARKED: Mark = { closedTo: 0 as EpochMs, lastStart: null };

/** What is on the card of where streams stand. */
export interface Standing {
  readonly marks: ReadonlyMap<StreamId, Mark>;
  readonly courses: Pick<CourseBook, "of">;
}

/** The streams that are closed by themselves, as the closer of a node that starts knows them. */
export function closingsOf(streams: readonly StreamPlan[], { marks, courses }: Standing, world: ClosingWorld): readonly Closing[] {
  const closed = streams.filter(({ policy, from }) => policy.is !== "withheld" && from === null);
  const plans = new Map(streams.map((plan) => [plan.id, plan]));
  const indexOf = (plan: StreamPlan): number => world.live.streamIndex(plan.id, meaningOf(plan));
  const memberOf = (id: StreamId): StreamPlan => {
    const plan = plans.get(id);
    assert(plan !== undefined, `${id} is a stream of the plan that its group is in`);
    return plan;
  };
  return closed.map((plan) => ({
    plan,
    index: indexOf(plan),
    members: plan.policy.is === "group" ? plan.policy.members.map((id) => indexOf(memberOf(id))) : [],
    lane: world.ingest.lane(plan.sensitivity, plan.windowMs, plan.latenessMs),
    mark: marks.get(plan.id) ?? UNMARKED,
    course: courses.of(plan.id),
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
  standing: Standing,
  world: ClosingWorld,
): readonly Closing[] {
  const known = new Map(before.map((closing) => [closing.plan.id, closing]));
  const closings = closingsOf(streams, standing, world);
  for (const closing of closings) {
    const old = known.get(closing.plan.id);
    if (old === undefined) {
      skipTo(closing, closing.lane.window, world.events);
      continue;
    }
    closing.mark = old.mark;
    closing.course = old.course;
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
  const { mark, course, plan } = closing;
  const from = mark.closedTo;
  if (to === null || to <= from) return;
  if (from === 0) {
    closing.mark = { ...mark, closedTo: to };
    return;
  }
  const place = moveOn({ closedTo: from, course }, to, plan.windowMs);
  closing.mark = { ...mark, closedTo: place.closedTo };
  closing.course = place.course;
  events.emit({ type: "WindowsSkipped", stream: plan.id, from: isoUtc(from), to: isoUtc(place.closedTo) });
}
