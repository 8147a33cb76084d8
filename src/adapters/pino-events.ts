import { type DestinationStream, pino } from "pino";
import { EVENTS, type EventLevel, type NodeEvent } from "../core/events/events.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";

/** The same event is written once in this long; the next one says how many were folded. */
const FOLD_MS = 60_000;
/** Distinct events that are remembered for folding; beyond it the oldest is forgotten. */
const FOLD_KEYS_MAX = 256;
// Each of these is news, however often it happens.
const NEVER_FOLDED: ReadonlySet<NodeEvent["type"]> = new Set([
  "SummaryMade",
  "NodeStarting",
  "NodeReady",
  "NodeStopping",
  "NodeStopped",
  "SummariesLost",
  "EarlierSummariesLost",
]);

// Two events that differ in one of these are two events; in others (a detail, a number) they are the same again.
const TELLING = ["sensor", "stream", "code", "cause", "reason", "because", "what", "size", "backend"] as const;

interface Fold {
  readonly saidAtMs: number;
  folded: number;
}

/** Events that go to a log, of which somebody may want to see more or less. */
export interface LoggedEvents extends Events {
  setLevel(level: EventLevel): void;
}

/** Writes events as JSON lines, one per event, to `destination` (stdout by default: journald keeps it). */
export function createPinoEvents(clock: Clock, level: EventLevel, destination?: DestinationStream): LoggedEvents {
  const logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
  const folds = new Map<string, Fold>();
  return {
    setLevel: (changed) => {
      logger.level = changed;
    },
    emit(event: NodeEvent): void {
      const { type, ...fields } = event;
      const folded = foldedSince(folds, event, clock.monotonicMs());
      if (folded === null) return;
      const { level: eventLevel, says } = EVENTS[type];
      logger[eventLevel]({ event: type, ...fields, ...(folded > 0 ? { folded } : {}) }, says);
    },
  };
}

/** How many events like this one were left out since the last that was written; null when this one is left out too. */
function foldedSince(folds: Map<string, Fold>, event: NodeEvent, nowMs: number): number | null {
  if (NEVER_FOLDED.has(event.type)) return 0;
  const { type, ...fields } = event;
  const key = JSON.stringify([type, TELLING.map((name) => (fields as Readonly<Record<string, unknown>>)[name])]);
  const known = folds.get(key);
  if (known !== undefined && nowMs - known.saidAtMs < FOLD_MS) {
    known.folded++;
    return null;
  }
  folds.delete(key);
  folds.set(key, { saidAtMs: nowMs, folded: 0 });
  for (const oldest of folds.keys()) {
    if (folds.size <= FOLD_KEYS_MAX) break;
    folds.delete(oldest);
  }
  return known?.folded ?? 0;
}
