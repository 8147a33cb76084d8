import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import type { Received } from "./subscriber.ts";

/** A summary as CONTRACT §3 has it, as far as tests look at it. */
export interface SummaryDocument {
  readonly v: 1;
  readonly id: string;
  readonly node: string;
  readonly instance: string;
  readonly seq: number;
  readonly prev: string | null;
  readonly rev: string;
  readonly sensor: string;
  readonly stream: string;
  readonly window: { readonly start: string; readonly end: string; readonly seconds: number };
  readonly made: string;
  readonly stats?: { readonly [name: string]: number };
  readonly cells?: readonly { readonly direction?: string; readonly count: number | null }[];
  readonly histogram?: { readonly counts: readonly (number | null)[]; readonly v85: number | null };
  readonly reason?: string;
  readonly total?: { readonly count: number; readonly ci95: number };
  readonly privacy: { readonly policy: string; readonly k?: number };
  readonly coverage: number;
  readonly quality: "ok" | "partial";
  readonly flags: readonly string[];
  readonly time: string;
}

/** Every summary once, by `seq`; of one stream, where `stream` (`air-1.pm25`) is given. */
export function summariesOf(messages: readonly Pick<Received, "topic" | "payload">[], stream?: string): SummaryDocument[] {
  const byId = new Map<string, SummaryDocument>();
  for (const { topic, payload } of messages) {
    if (!topic.endsWith("/summary")) continue;
    const summary = JSON.parse(payload.toString("utf8")) as SummaryDocument;
    if (stream === undefined || `${summary.sensor}.${summary.stream}` === stream) byId.set(summary.id, summary);
  }
  return [...byId.values()].sort((a, b) => a.seq - b.seq);
}

/** How many readings are in these summaries. */
export const samplesIn = (summaries: readonly SummaryDocument[]): number =>
  summaries.reduce((sum, { stats }) => sum + (stats?.samples ?? 0), 0);

/** A summary may arrive twice, but then with the same bytes; nothing else ever has its id or its number. */
export function expectOneTextForEachId(messages: readonly Received[]): void {
  const textOf = new Map<string, string>();
  const idOf = new Map<string, string>();
  for (const { topic, payload } of messages) {
    if (!topic.endsWith("/summary")) continue;
    const text = payload.toString("utf8");
    const { id, instance, seq } = JSON.parse(text) as SummaryDocument;
    const number = `${instance}/${seq}`;
    expect(textOf.get(id) ?? text, `every copy of ${id}`).toBe(text);
    expect(idOf.get(number) ?? id, `number ${number}`).toBe(id);
    textOf.set(id, text);
    idOf.set(number, id);
  }
}

/** As ISO 8601 has it, in the largest unit that it is a whole number of. */
const durationOf = (seconds: number): string =>
  seconds % 3_600 === 0 ? `PT${seconds / 3_600}H` : seconds % 60 === 0 ? `PT${seconds / 60}M` : `PT${seconds}S`;

/** Numbers without a hole from 1, each stream a chain by `prev`, ids of CONTRACT §3, windows on the lattice. */
export function expectWholeHistory(messages: readonly Received[], prefix: string): readonly SummaryDocument[] {
  expectOneTextForEachId(messages);
  const summaries = summariesOf(messages);
  expect(summaries.map(({ seq }) => seq)).toEqual(summaries.map((_, index) => index + 1));
  const lastOf = new Map<string, string>();
  for (const { id, node, sensor, stream, window, prev } of summaries) {
    const name = `${sensor}.${stream}`;
    const startMs = Date.parse(window.start);
    expect(id).toBe(`${node}/${name}/${durationOf(window.seconds)}/${window.start}`);
    expect(window.start).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(startMs % (window.seconds * 1_000), `${id} is on the lattice`).toBe(0);
    expect(Date.parse(window.end) - startMs).toBe(window.seconds * 1_000);
    expect(prev, `prev of ${id}`).toBe(lastOf.get(name) ?? null);
    lastOf.set(name, window.start);
  }
  const topics = new Set(messages.filter(({ topic }) => topic.endsWith("/summary")).map(({ topic }) => topic));
  expect([...topics].sort()).toEqual([...lastOf.keys()].map((name) => topicOf(prefix, summaries[0]?.node ?? "", name)).sort());
  return summaries;
}

/** Where the summaries of a stream are published. */
export const topicOf = (prefix: string, node: string, stream: string): string => `${prefix}/${node}/${stream.replace(".", "/")}/summary`;

/** Windows follow each other without a hole in time, stream by stream. */
export function expectEveryWindow(summaries: readonly SummaryDocument[]): void {
  const endOf = new Map<string, string>();
  for (const { id, sensor, stream, window } of summaries) {
    const name = `${sensor}.${stream}`;
    expect(window.start, `start of ${id}`).toBe(endOf.get(name) ?? window.start);
    endOf.set(name, window.end);
  }
}

/** Waits until the wall clock stands `phaseMs` into a window. */
export async function untilPhase(windowMs: number, phaseMs: number): Promise<void> {
  await wait((((phaseMs - Date.now()) % windowMs) + windowMs) % windowMs);
}
