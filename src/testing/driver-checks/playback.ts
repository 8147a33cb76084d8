import { type MonotonicMs, monotonicMs } from "../../core/units/time.ts";
import type { BusEvent } from "../../driver-api/driver.ts";
import type { Answer } from "../../driver-api/golden.ts";
import { type Conversation, isData, type Subject } from "./evidence.ts";

/** What a port tells: a capture holds nothing else, and timers are the runtime's. */
export const isFromPort = (event: BusEvent): boolean => event.type !== "timer";

/** How many timers may fire between two events of a file: a driver that asks for more is busy with itself. */
const TIMERS_BETWEEN_EVENTS_MAX = 100_000;

/** What came of a run: answers per event of the port (those of timers count to the event before), or what was thrown. */
export interface Run {
  readonly answers: readonly (readonly Answer[])[];
  readonly thrown: string | null;
}

/** Plays the port's events to a session and fires the timers that it sets, as the runtime would. `afterMs`: how long to wait at the end. */
export function playWithTimers(subject: Subject, events: readonly BusEvent[], afterMs: number): Run {
  const timers = new Map<string, MonotonicMs>();
  const answers: Answer[][] = [];
  let thrown: string | null = null;
  const tell = (event: BusEvent, into: Answer[]): void => {
    const reply = subject.tell(event);
    thrown ??= reply.thrown;
    for (const answer of reply.answers) {
      into.push(answer);
      if (answer.call !== "timer") continue;
      if (answer.afterMs === null) timers.delete(answer.name);
      else timers.set(answer.name, monotonicMs(event.atMs + answer.afterMs));
    }
  };
  const fireUntil = (untilMs: number, into: Answer[]): void => {
    for (let fired = 0; fired < TIMERS_BETWEEN_EVENTS_MAX && thrown === null; fired++) {
      const [name, atMs] = [...timers].reduce<[string, number]>(
        (next, timer) => (timer[1] < next[1] ? timer : next),
        ["", Number.POSITIVE_INFINITY],
      );
      if (atMs > untilMs) return;
      timers.delete(name);
      tell({ type: "timer", atMs: monotonicMs(atMs), name }, into);
    }
  };
  for (const event of events) {
    fireUntil(event.atMs, answers.at(-1) ?? []);
    const into: Answer[] = [];
    answers.push(into);
    tell(event, into);
    if (thrown !== null) break;
  }
  fireUntil((events.at(-1)?.atMs ?? 0) + afterMs, answers.at(-1) ?? []);
  return { answers, thrown };
}

/** The port's events of a file, played `times` over, one after the other. */
export function repeated({ file }: Conversation, times: number): BusEvent[] {
  const events = file.steps.map(({ event }) => event).filter(isFromPort);
  const lengthMs = (file.steps.at(-1)?.event.atMs ?? 0) + 1_000;
  const shift = (event: BusEvent, byMs: number): BusEvent => ({ ...event, atMs: monotonicMs(event.atMs + byMs) });
  return Array.from({ length: times }, (_, round) => events.map((event) => shift(event, round * lengthMs))).flat();
}

export const countData = (run: Run): number => run.answers.reduce((sum, answers) => sum + answers.filter(isData).length, 0);
