import type { StreamPlan } from "../reading/stream.ts";
import { DAY_MS, type EpochMs } from "../units/time.ts";

/**
 * The terms of a stream are everything that decides what its releases tell about people: lattice, budget, account, cells. Two sets of
 * terms for one day could be played off against each other (a window of 10 minutes less one of 5, privacy reference §2.3), so that
 * changed terms come into force with the next day of UTC, when every window begins anew.
 */
export interface StreamTerms {
  readonly account: string;
  /** Canonical text: equal terms have equal texts. */
  readonly text: string;
  /** Windows that start earlier are not released. */
  readonly since: EpochMs;
}

/** What the node store remembers of terms, as one fact. */
export interface TermsBook {
  /** When this store began to exist: windows of people that start earlier may have been released by another one. */
  readonly born: EpochMs;
  /** Nothing noised is released before this: the ledger of the time before was damaged. */
  readonly pausedUntil: EpochMs;
  /** Damaged rows of the ledger that were seen already. */
  readonly damagedSeen: number;
  readonly streams: Readonly<Record<string, StreamTerms>>;
  /** Accounts and sensors (`sensor:gate-1`) with a stream that was dropped or changed: until then its old terms count. */
  readonly busyUntil: Readonly<Record<string, EpochMs>>;
}

/** A book that was written and cannot be read: nothing is known of the terms before. */
export const UNREADABLE = "unreadable";

/** The next midnight of UTC. */
export const nextUtcDay = (now: EpochMs): EpochMs => (Math.floor(now / DAY_MS) * DAY_MS + DAY_MS) as EpochMs;

/** A stream of people that leaves, by itself: it has terms. */
export const hasTerms = ({ sensitivity, policy, from }: StreamPlan): boolean =>
  from === null && sensitivity !== "environmental" && policy.is !== "withheld";

/** The terms of a stream as text. */
export function termsText({ channel, policy, windowMs, binEdges }: StreamPlan): string {
  const { name, quantity, cells, maxPerPassage } = channel;
  const what = policy.is === "noised" ? { epsilonMicro: policy.epsilonMicro, bound: policy.bound } : policy;
  return JSON.stringify({ channel: name, quantity, windowMs, policy: policy.is, ...what, cells, maxPerPassage, bins: binEdges });
}

/** What is asked of the book at a start. */
export interface TermsQuestion {
  readonly now: EpochMs;
  /** When this store began to exist, if nobody knows yet. */
  readonly born: EpochMs;
  readonly streams: readonly StreamPlan[];
  /** Damaged rows in the ledger. */
  readonly damaged: number;
}

/**
 * The book as it is from now on. Unchanged terms stay in force. New ones are in force at once where neither their account nor their
 * sensor has told anything yet today, and else with the next day.
 */
export function settleTerms(book: TermsBook | typeof UNREADABLE | null, { now, born, streams, damaged }: TermsQuestion): TermsBook {
  const isReadable = book !== null && book !== UNREADABLE;
  const before: TermsBook = isReadable ? book : { born, pausedUntil: 0 as EpochMs, damagedSeen: 0, streams: {}, busyUntil: {} };
  const tomorrow = nextUtcDay(now);
  const wanted = new Map(streams.map((plan) => [plan.id as string, { account: plan.account, text: termsText(plan) }]));
  const isKept = (id: string, { account, text }: StreamTerms): boolean =>
    wanted.get(id)?.account === account && wanted.get(id)?.text === text;
  const busyUntil: Record<string, EpochMs> = Object.fromEntries(Object.entries(before.busyUntil).filter(([, until]) => until > now));
  for (const [id, terms] of Object.entries(before.streams)) {
    if (!isKept(id, terms)) for (const who of peopleOf(id, terms)) busyUntil[who] = tomorrow;
  }
  const busy = new Set([...Object.keys(busyUntil), ...Object.entries(before.streams).flatMap((entry) => peopleOf(...entry))]);
  // Of the first terms of a store every whole window of its life counts.
  const atOnce = book === null ? born : now;
  const settled = [...wanted].map(([id, terms]): [string, StreamTerms] => {
    const old = before.streams[id];
    if (old !== undefined && isKept(id, old)) return [id, old];
    const isBusy = book === UNREADABLE || peopleOf(id, terms).some((who) => busy.has(who));
    return [id, { ...terms, since: isBusy ? tomorrow : atOnce }];
  });
  const isDamaged = damaged > before.damagedSeen;
  return {
    born: before.born,
    pausedUntil: isDamaged ? tomorrow : before.pausedUntil,
    damagedSeen: damaged,
    streams: Object.fromEntries(settled),
    busyUntil,
  };
}

/** Whom a stream is about: its account, and whoever is in front of its sensor, whatever account that is declared to be. */
function peopleOf(id: string, { account }: Pick<StreamTerms, "account">): readonly string[] {
  return [account, `sensor:${id.slice(0, id.indexOf("."))}`];
}
