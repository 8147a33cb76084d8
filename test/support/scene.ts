import { expect } from "vitest";
import type { Canaries } from "./canaries.ts";
import { EXACT, ForensicSite, inCaptures, PORT_WINDOW_MS, WINDOW_MS } from "./forensic-site.ts";
import { noiseOf } from "./forensics.ts";
import type { Lab } from "./lab.ts";
import type { NodeProcess } from "./node-process.ts";
import { watched } from "./process-forensics.ts";
import type { Received, Subscriber } from "./subscriber.ts";
import { summariesOf, untilPhase } from "./summaries.ts";

/** In a heap of millions of numbers some twenty are as large, below ten million. */
const RARE_FROM = 300_000;

/** A built node on a street, with a broker and a witness. */
export interface Scene {
  readonly place: ForensicSite;
  readonly subscriber: Subscriber;
  readonly node: NodeProcess;
  /** Of the window in which everybody passed. */
  readonly start: string;
}

/** How long a node takes on a busy machine to start, and to have a whole window of captures begin. */
const BEGINS_MS = 45_000;

/**
 * Starts a node, and has everybody pass at the beginning of a window. At the ports it is the one in which the store began, of which nothing
 * is kept: what came in there must be gone at once.
 */
export async function passed(lab: Lab): Promise<Scene> {
  const broker = await lab.mosquitto();
  const subscriber = await lab.subscriber(broker.url);
  const place = await ForensicSite.open(lab, broker.url);
  if (Date.now() % PORT_WINDOW_MS > PORT_WINDOW_MS - BEGINS_MS) await untilPhase(PORT_WINDOW_MS, 0);
  const node = await place.site.runUntilReady(watched(place.site));
  // The window in which the store began is not released.
  await untilPhase(WINDOW_MS, WINDOW_MS - 100);
  await untilPhase(WINDOW_MS, 500);
  const start = new Date(Math.floor(Date.now() / WINDOW_MS) * WINDOW_MS).toISOString().replace(".000", "");
  await place.pass();
  await place.garble();
  await untilPhase(WINDOW_MS, 6_500);
  return { place, subscriber, node, start };
}

/** Waits until the window has left, of these streams as a number, and is purged; gives what must be gone, also what undoes the noise. */
export async function released(scene: Scene, isWanted: (stream: string) => boolean = () => true): Promise<Canaries> {
  const { place, subscriber, start } = scene;
  const wanted = Object.keys(EXACT).filter(isWanted);
  const numbers = (all: readonly Received[]) =>
    summariesOf(all).filter(({ window, reason }) => window.start === start && reason === undefined);
  await subscriber.waitFor((all) => numbers(all).length === wanted.length, 3 * WINDOW_MS);
  await place.site.statusWhen(({ outbox }) => outbox.rows === 0);
  const exact = new Map(Object.entries(EXACT).map(([stream, counts]) => [`${stream} ${start}`, counts]));
  const sent = subscriber.messages.map(({ topic, payload }) => ({ topic, text: payload.toString() }));
  const noise = noiseOf({ exact }, { sent }, RARE_FROM);
  expect(noise.length, "noise to look for").toBeGreaterThan(1);
  return inCaptures().number(...noise);
}
