import type { NodeEvent } from "../../core/events/events.ts";
import type { OutboxStanding } from "../../ports/outbox.ts";
import type { LocalStatus } from "../../runtime/status.ts";
import type { NumbersLeft } from "./machine.ts";
import type { StreetLog } from "./street-log.ts";

/** A summary as a subscriber reads it (CONTRACT §3), with the fields that checks look at. */
export interface HeardSummary {
  readonly text: string;
  readonly id: string;
  readonly instance: string;
  readonly seq: number;
  readonly prev: string | null;
  /** `air-1.pm25`. */
  readonly streamId: string;
  readonly kind: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly coverage: number;
  readonly flags: readonly string[];
  readonly stats?: Readonly<Record<string, number | null>>;
  readonly cells?: readonly { readonly count: number | null }[];
  readonly histogram?: { readonly counts: readonly (number | null)[] };
  readonly reason?: string;
  readonly privacy: { readonly policy: string; readonly epsilon?: number };
}

/** Something that was seen from outside the node, or at one of its ports. */
export type Observation =
  /** The broker has a summary: for the first time, or again. */
  | { readonly type: "heard"; readonly summary: HeardSummary }
  /** Text that anybody may read: any payload, any line of the log, the status of the node. */
  | { readonly type: "told"; readonly where: string; readonly text: string }
  | { readonly type: "event"; readonly event: NodeEvent }
  /** Noise is about to be drawn for these readings, which were not drawn for before. */
  | { readonly type: "drawn"; readonly what: string }
  /** A process opened the stores. */
  | { readonly type: "opened"; readonly instance: string; readonly run: number; readonly standing: OutboxStanding }
  /** What a running node says of itself. */
  | { readonly type: "status"; readonly instance: string; readonly standing: OutboxStanding; readonly local: LocalStatus }
  /** How many connections to the broker a process holds. */
  | { readonly type: "links"; readonly count: number }
  /** Bytes of the card. */
  | { readonly type: "card"; readonly files: readonly Uint8Array[] }
  /** Something was thrown that nobody caught: the process would be gone. */
  | { readonly type: "died"; readonly of: string }
  /** Every fault is over, and time enough has passed. */
  | {
      readonly type: "end";
      readonly instance: string;
      readonly standing: OutboxStanding;
      readonly local: LocalStatus;
      /** What the egress log says; null: it does not go back to the beginning. */
      readonly departures: readonly NumbersLeft[] | null;
    };

/** What really is, for comparison. */
export interface Truth {
  /** By id of stream: what was really said in the field. */
  readonly logs: ReadonlyMap<string, StreetLog>;
  /** Whether nobody can say by which clock the readings of this span were labelled: the wall clock was stepped there. */
  isBlurred(fromMs: number, toMs: number): boolean;
  /** Whether the wall clock was trusted since the machine started. */
  wasTrusted(): boolean;
  /** The latest and the earliest that a trusted wall clock ever showed, and what it showed at first. */
  latestWallMs(): number;
  earliestWallMs(): number;
  readonly beganWallMs: number;
}

/** A promise that can be looked after: whoever made it is given all observations in order, and says what is wrong with one. */
export interface Invariant {
  /** `P3 resent as it was`. */
  readonly name: string;
  watch(truth: Truth): (observation: Observation) => string | null;
}

/** Reads a summary; throws when it is none. */
export function readSummary(text: string): HeardSummary {
  const read = JSON.parse(text) as Omit<HeardSummary, "text" | "streamId" | "startMs" | "endMs"> & {
    readonly sensor: string;
    readonly stream: string;
    readonly window: { readonly start: string; readonly end: string };
  };
  return {
    ...read,
    text,
    streamId: `${read.sensor}.${read.stream}`,
    startMs: Date.parse(read.window.start),
    endMs: Date.parse(read.window.end),
  };
}
