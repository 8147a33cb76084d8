import type { ChargedSpan } from "../core/anonymise/ledger.ts";
import type { Message } from "../core/anonymise/message.ts";
import type { StreamId } from "../core/units/ids.ts";
import type { EpochMs } from "../core/units/time.ts";

/** Fact that holds the terms of streams of people. */
export const TERMS_FACT = "privacy:terms";

/**
 * Facts that belong to the marks, and stay with them when a store gets a new name: what streams passed over, the latest trusted time,
 * and from when on, after it leapt, things may be thrown away for their age.
 */
export const COURSES_FACT = "courses";
export const TRUSTED_FACT = "time:trusted";
export const AGEING_FACT = "time:ageing";

/** Up to where a stream is closed. */
export interface Mark {
  /** End of the last closed window: no window that ends at or before it will ever be made again. */
  readonly closedTo: EpochMs;
  /** Start of the last window that a summary was made for: the next summary's `prev`. */
  readonly lastStart: EpochMs | null;
}

/** Whether a message is a summary: nothing else has such a topic (CONTRACT §2). A summary that was salvaged has no number here. */
export const isSummary = ({ topic }: Pick<Message, "topic">): boolean => topic.endsWith("/summary");

/** A row to be: a sealed message, with its number when it is a summary of this instance. */
export interface NewRow {
  readonly message: Message;
  /** Gap-free number of a summary; null for a meta, which has none, and for a summary of an earlier instance, whose number is of there. */
  readonly seq: number | null;
}

/** Begins the key of the fact that says which rev of a meta was last queued, or that an empty one was; the rest is its topic. */
export const META_FACT = "meta:";
/** Fact that lists the topics of all metas that were queued and that the broker may retain. */
export const TOPICS_FACT = "metas";
/** Fact that says for which broker, as `scheme://host:port`, those metas were queued: another one has none of them. */
export const METAS_BROKER_FACT = "metas:broker";
/** Fact that holds how many summaries of earlier instances were lost. */
export const LOST_EARLIER_FACT = "lost:earlier";
/** Begins the key of the fact that says how far the salvage of a damaged store came; the rest is the name of its file. */
export const SALVAGED_FACT = "salvaged:";
/** Fact that says until when somebody works on which sensors. */
export const MAINTENANCE_FACT = "maintenance";
/** Fact that holds the rev of the config that was last on trial: written to see that node.db takes a write. */
export const TRIED_FACT = "config:tried";

/** Everything that closing a group of windows writes, in ONE transaction. */
export interface CloseBatch {
  readonly rows: readonly NewRow[];
  readonly marks: ReadonlyMap<StreamId, Mark>;
  /** Facts of the node that must survive, one short text per key: `meta:<topic>` holds the rev last queued. */
  readonly facts: ReadonlyMap<string, string>;
  /** Budget spent on the rows: each replaces the span of its stream that begins at the same time. */
  readonly charges?: readonly ChargedSpan[];
  /** Changes of what is released about people, as text: each becomes a link of a chain of hashes in the egress log. */
  readonly changes?: readonly string[];
  readonly madeAt: EpochMs;
  /** What is settled by now, written down with the rest: two commits are two fsyncs. Rows of this batch cannot be among it. */
  readonly acknowledgement?: Acknowledgement;
  /** Summaries of an earlier instance that will never arrive, as is known by now; null: nobody knows how many. */
  readonly lostEarlier?: number | null;
}

/** The ledger of privacy budget as it was found. */
export interface LedgerReading {
  readonly spans: readonly ChargedSpan[];
  /** Rows that are not what was written: what they stood for is not known. */
  readonly damaged: number;
}

/** A row that waits, or waited, for its PUBACK. */
export interface OutboxRow {
  /** Position in the queue, ascending, gap-free; never reused. */
  readonly position: number;
  readonly seq: number | null;
  readonly message: Message;
}

/** A row that is done with. */
export interface SettledRow {
  readonly position: number;
  /** Number of a summary of this instance; null: it has none. */
  readonly seq: number | null;
  /** Topic and payload. */
  readonly bytes: number;
}

/** A row that the broker has. */
export interface SentRow extends SettledRow {
  /** For the egress log: when the broker said so, and where it was reached. */
  readonly at: EpochMs;
  readonly address: string;
}

/** A row that the broker will never take: kept for a replay, not sent by itself again, reported as lost until a replay brings it there. */
export interface RefusedRow extends SettledRow {
  readonly reason: string;
}

/** What became of rows. They are settled in any order: those of one sensor may wait while others leave. */
export interface Acknowledgement {
  readonly sent: readonly SentRow[];
  readonly refused: readonly RefusedRow[];
}

/** A range of summaries that will never arrive, for `status`. */
export interface LostRange {
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly reason: string;
}

/** Where the queue stands. Kept as counters: nothing counts rows with SQL. */
export interface OutboxStanding {
  /** Number of the last summary made, 0 before the first. */
  readonly lastSeq: number;
  readonly lastPosition: number;
  /** Every row up to here is settled; others behind it may be, too. */
  readonly acknowledgedPosition: number;
  /** How many stretches of settled rows there are behind it, and where the last of them ends; without any, where it is itself. */
  readonly aheadRanges: number;
  readonly aheadTo: number;
  /** Number of the oldest summary that is not settled; null when all are. */
  readonly firstUnackedSeq: number | null;
  readonly pendingRows: number;
  readonly pendingBytes: number;
  /** The same with what is settled behind the first row that waits: limits of size are about this. */
  readonly queueBytes: number;
  readonly lost: readonly LostRange[];
  /**
   * Summaries of earlier instances that will never arrive: they could not be read in a damaged store, or were salvaged and given up or
   * refused here. Rather too many than too few. Null: nobody knows how many.
   */
  readonly lostEarlier: number | null;
  /** Rows given up in this run, metas among them: these are to be queued again. */
  readonly givenUp: number;
  /** The disk is short of room: what is kept for replay goes first, then what waits, the oldest first. */
  readonly isShort: boolean;
}

/** What housekeeping may keep. */
export interface OutboxLimits {
  /**
   * Topic and payload bytes of all rows. Beyond this acknowledged ones go, the oldest first; then those that wait, which are reported as
   * lost. A meta is not lost with them: its fact goes, so that it is queued again.
   */
  readonly bytesMax: number;
  /** Acknowledged rows older than this go: they were kept for replay. Null: the clock is not trusted, nothing ages. */
  readonly acknowledgedBefore: EpochMs | null;
  /** Pending rows older than this go, and are reported as lost. Null: nothing ages. */
  readonly pendingBefore: EpochMs | null;
  readonly egressBefore: EpochMs | null;
  readonly egressBytesMax: number;
}

/** `OUTBOX_FULL`: no room on the disk. `OUTBOX_IO`: outcome unknown; `reopen` before the next write. */
export class OutboxError extends Error {
  readonly code: "OUTBOX_FULL" | "OUTBOX_IO";

  constructor(code: "OUTBOX_FULL" | "OUTBOX_IO", options?: ErrorOptions) {
    const why = options?.cause instanceof Error ? `: ${options.cause.message}` : "";
    super(`${code === "OUTBOX_FULL" ? "no room for the outbox" : "the outbox failed"}${why}`, options);
    this.name = "OutboxError";
    this.code = code;
  }
}

/**
 * The durable half of the node: the queue of summaries, marks, privacy ledger and egress log, in node.db. Asynchronous, because the
 * fsync of a card can take seconds. Calls do not overlap: each is awaited before the next. Rejections are `OutboxError`.
 */
export interface Outbox {
  /** Random name of this store, 8 hex digits: a new card is a new instance. */
  readonly instance: string;
  /** How often this store was opened: the number of the run. */
  readonly run: number;
  /** Where a damaged predecessor was put, or null. */
  readonly quarantined: string | null;
  /** Marks of this store were once damaged: a stream that has no mark may have had one, and was closed up to nobody knows when. */
  readonly isDoubtful: boolean;
  /** What is closed so far. A copy: the caller may keep it. */
  marks(): Promise<Map<StreamId, Mark>>;
  /** What has been charged. It grows by a row where windows of a stream were charged unlike or not at all, not by a row a window. */
  ledger(): Promise<LedgerReading>;
  standing(): OutboxStanding;
  /** Rows, marks, facts: all or nothing, on the card when it resolves. Positions are given in order. */
  commit(batch: CloseBatch): Promise<void>;
  /** Rows after `position` that are not settled, ascending; a row whose CRC is wrong is settled as lost, `damaged`, and left out. */
  read(afterPosition: number, rowsMax: number): Promise<readonly OutboxRow[]>;
  /**
   * Writes down what is settled, together with its entry of the egress log. What was settled before is no news; a summary that counts as
   * lost and was sent nevertheless does not any more: it was given up while it was under way, or was replayed.
   */
  acknowledge(acknowledgement: Acknowledgement): Promise<void>;
  /**
   * Makes what was settled wait again, from summary `fromSeq` on, or from the oldest that is still there. Gives the position behind which
   * everything waits, and the number of the first summary there; null when there is none that is settled.
   */
  rewind(fromSeq: number): Promise<{ readonly position: number; readonly seq: number } | null>;
  /** A fact that a commit wrote; null: there is none. Empty: it cannot be read any more, or it cannot be told whether there was one. */
  recall(key: string): Promise<string | null>;
  /** Enforces the limits a slice at a time; `more` asks to be called again after a breath. */
  trim(limits: OutboxLimits): Promise<{ readonly rows: number; readonly more: boolean }>;
  /** After `OUTBOX_IO`: closes, opens and reads everything again. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}
