import type { ChainBreak, ChangeEntry, Departure } from "../adapters/sqlite/egress-log.ts";
import { durationText } from "../config/values.ts";
import type { TermsBook } from "../core/anonymise/terms.ts";
import { epsilonMicro, epsilonText } from "../core/units/epsilon.ts";
import { epochMs, isoUtc } from "../core/units/time.ts";

// How `stoep egress` puts the log into words.

/** One departure as data. */
export const departureJson = ({ atMs, address, fromSeq, toSeq, rows, bytes }: Departure): object => ({
  at: isoUtc(epochMs(atMs)),
  address,
  fromSeq,
  toSeq,
  rows,
  bytes,
});

/** One change as data; its text is JSON that the node wrote, unless somebody else did. */
export const changeJson = ({ id, atMs, text, hash }: ChangeEntry): object => ({
  entry: id,
  at: isoUtc(epochMs(atMs)),
  says: readable(text) ?? text,
  hash,
});

export function departureLine({ atMs, address, fromSeq, toSeq, rows, bytes }: Departure): string {
  const seqs = fromSeq === null ? "no summary" : fromSeq === toSeq ? `seq ${fromSeq}` : `seq ${fromSeq} to ${toSeq}`;
  return `${secondsOf(atMs)}  ${address}  ${rows} message${rows === 1 ? "" : "s"}, ${bytes} bytes, ${seqs}`;
}

/** Log lines are to the second; the milliseconds are in the JSON. */
const secondsOf = (atMs: number): string => isoUtc(epochMs(Math.floor(atMs / 1_000) * 1_000));

const readable = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** What a change was, a line for each stream whose terms are new, changed or gone. `before`: the last change of terms before it. */
export function changeLines(entry: ChangeEntry, before: ChangeEntry | null): readonly string[] {
  const [now, then] = [bookOf(entry.text), before === null ? null : bookOf(before.text)];
  const head = `${secondsOf(entry.atMs)}  entry ${entry.id}, SHA-256 ${entry.hash.slice(0, 16)}…`;
  if (now === null) return [head, `  ${watchWords(entry.text) ?? entry.text}`];
  const ids = [...new Set([...Object.keys(then?.streams ?? {}), ...Object.keys(now.streams)])];
  const lines = ids.flatMap((id) => {
    const [old, terms] = [then?.streams[id], now.streams[id]];
    if (terms === undefined) return [`  ${id}: leaves no longer`];
    if (old?.text === terms.text && old.account === terms.account && old.since === terms.since) return [];
    return [`  ${id}: ${termsWords(terms.text)}, account ${terms.account}, from ${secondsOf(terms.since)}`];
  });
  if (now.pausedUntil > (then?.pausedUntil ?? 0)) {
    lines.push(`  the ledger was damaged: nothing noised until ${secondsOf(now.pausedUntil)}`);
  }
  return [head, ...lines];
}

/** That somebody watched a sensor of people, in words; null: it is something else. */
function watchWords(text: string): string | null {
  const value = readable(text);
  const watch = typeof value === "object" && value !== null && "watch" in value ? (value.watch as Readonly<Record<string, unknown>>) : null;
  if (typeof watch?.sensor !== "string" || typeof watch.forMs !== "number") return null;
  const what = watch.wants === "events" ? "recorded, raw," : "watched";
  return `${watch.sensor}: ${what} on this machine, for at most ${durationText(watch.forMs)}, by ${String(watch.by)}`;
}

/** Whether a change is one of terms; what else is written down is printed as it is. */
export const isOfTerms = ({ text }: ChangeEntry): boolean => bookOf(text) !== null;

function bookOf(text: string): TermsBook | null {
  const value = readable(text);
  return typeof value === "object" && value !== null && "streams" in value ? (value as TermsBook) : null;
}

/** The terms of a stream in words, or as they are when they are of a form that is not known. */
function termsWords(text: string): string {
  const terms = readable(text) as { policy?: string; epsilonMicro?: number; k?: number; windowMs?: number; members?: unknown[] } | null;
  if (typeof terms?.policy !== "string" || typeof terms.windowMs !== "number") return text;
  const { policy, epsilonMicro: epsilon, k, members, windowMs } = terms;
  const how = [
    policy,
    ...(typeof epsilon === "number" ? [`epsilon ${epsilonText(epsilonMicro(epsilon))}`] : []),
    ...(typeof k === "number" ? [`k ${k}`] : []),
    ...(Array.isArray(members) ? [`of ${members.length}`] : []),
  ];
  return `${how.join(" ")}, windows of ${durationText(windowMs)}`;
}

export function brokenLine({ id, why }: ChainBreak): string {
  if (id === null) return "the chain of changes is broken: entries are missing behind the last one";
  return `the chain of changes is broken at entry ${id}, which ${why === "altered" ? "is not what was written" : "is missing"}`;
}
