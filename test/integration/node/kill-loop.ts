import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import { FLUSH_EVERY_MS } from "../../../src/runtime/ingest.ts";
import { Seeded } from "../../../src/testing/driver-checks/seeded.ts";
import type { Lab } from "../../support/lab.ts";
import { type NodeProcess, PREFIX } from "../../support/node-process.ts";
import type { PtyPair } from "../../support/pty.ts";
import { sds011Frame } from "../../support/sds011.ts";
import type { Received } from "../../support/subscriber.ts";
import { expectEveryWindow, expectWholeHistory, type SummaryDocument, summariesOf } from "../../support/summaries.ts";

const FRAME_EVERY_MS = 40;
/** From the feeder's clock to the node's: the line in between, and a machine that has other work. For one kill, and on average. */
const SLACK_MS = 600;
const SLACK_MS_MEAN = 100;
const LIFE_MS_MIN = 300;
const LIFE_MS_MAX = 2_000;
/** How soon after a commit some of the kills come. */
const AFTER_COMMIT_MS_MAX = 40;
const WINDOW_MS = 10_000;
/** After the end of a window of 10 s: a lateness of 1 s, a look once a second, the way to the broker. */
const CLOSED_MS = 3_000;

/** When a life ends: so long after its start, or so long after it wrote a summary down. */
type Moment = { readonly is: "after start"; readonly ms: number } | { readonly is: "after commit"; readonly ms: number };

function randomMoment(seeded: Seeded): Moment {
  if (seeded.below(4) === 0) return { is: "after commit", ms: seeded.below(AFTER_COMMIT_MS_MAX) };
  return { is: "after start", ms: LIFE_MS_MIN + seeded.below(LIFE_MS_MAX - LIFE_MS_MIN) };
}

/** A device that counts: frame number n says n tenths, so that minimum and maximum of a window name its first and last frame. */
class CountingDevice {
  /** `performance.now()` of each frame, frame number 1 first. */
  readonly writtenMs: number[] = [];
  #isOn = true;
  readonly #loop: Promise<void>;

  constructor(pty: PtyPair) {
    this.#loop = this.#speak(pty);
  }

  async off(): Promise<void> {
    this.#isOn = false;
    await this.#loop;
  }

  async #speak(pty: PtyPair): Promise<void> {
    while (this.#isOn) {
      const number = this.writtenMs.length + 1;
      this.writtenMs.push(performance.now());
      await pty.feed(sds011Frame({ pm25: number, pm10: number }));
      await wait(FRAME_EVERY_MS);
    }
  }
}

/** A time in which readings may be lost: one flush before a kill, until the port is open again. */
interface Outage {
  readonly killedMs: number;
  toMs: number;
}

/** What was done to a node, and what came of it. */
export interface Killed {
  readonly id: string;
  readonly kills: number;
  readonly writtenMs: readonly number[];
  readonly outages: readonly Outage[];
}

/** Runs a node over and over, kills it with SIGKILL at moments of the seed, lets it come to an end, and stops it. */
export async function runUnderKills(lab: Lab, url: string, id: string, kills: number, seed: number): Promise<Killed> {
  const seeded = new Seeded(seed);
  const pty = await lab.pty();
  const site = lab.site({ node: { id }, broker: { url }, sensors: { dust: { driver: "sds011", serial: { path: pty.path } } } });
  let node = site.run();
  await node.event("SensorOpened");
  const device = new CountingDevice(pty);
  const outages: Outage[] = [];
  for (let kill = 0; kill < kills; kill++) {
    await comes(node, randomMoment(seeded), outages);
    outages.push({ killedMs: performance.now(), toMs: Number.POSITIVE_INFINITY });
    await node.kill9();
    node = site.run();
  }
  await noteOpened(node, outages);
  await wait(WINDOW_MS / 2);
  await device.off();
  await wait(WINDOW_MS - (Date.now() % WINDOW_MS) + CLOSED_MS);
  expect((await node.stop()).code).toBe(0);
  const run = node.events("NodeStarting")[0]?.run;
  expect(run, "every life opened the store at most once").toBeLessThanOrEqual(kills + 1);
  return { id, kills, writtenMs: device.writtenMs, outages };
}

/** Waits for the moment; notes when the port was open, if it is before. */
async function comes(node: NodeProcess, moment: Moment, outages: readonly Outage[]): Promise<void> {
  const opened = noteOpened(node, outages);
  if (moment.is === "after start") {
    opened.catch(() => {}); // it may be killed before
    return await wait(moment.ms - (performance.now() - node.startedMs));
  }
  await opened;
  await node.event("SummaryMade");
  await wait(moment.ms);
}

/** The port is open: the outage is over, which may have begun several lives ago. */
async function noteOpened(node: NodeProcess, outages: readonly Outage[]): Promise<void> {
  const before = [...outages]; // it may be killed, and the next outage begin, before the line is read
  await node.event("SensorOpened");
  for (const outage of before) outage.toMs = Math.min(outage.toMs, performance.now());
}

interface Span {
  readonly first: number;
  readonly last: number;
  readonly samples: number;
  readonly summary: SummaryDocument;
}

/** Everything that must hold for a node that was killed. Gives how many frames are in no summary. */
export function expectKeptPromises(killed: Killed, messages: readonly Received[]): number {
  const own = messages.filter(({ topic }) => topic.startsWith(`${PREFIX}/${killed.id}/`));
  const summaries = expectWholeHistory(own, PREFIX);
  const goodbye = own.filter(({ topic }) => topic.endsWith("/status")).map(({ payload }) => JSON.parse(payload.toString("utf8")));
  expect(goodbye.at(-1)).toMatchObject({ state: "offline", outbox: { pending: 0, lastSeq: summaries.length, lost: [] } });
  expectEveryWindow(summaries);
  const lost = ["pm25", "pm10"].map((channel) => expectBoundedLoss(killed, summariesOf(own, `dust.${channel}`)));
  expect(lost[1], "both channels of a frame are lost, or none").toBe(lost[0]);
  return lost[0] ?? 0;
}

function expectBoundedLoss({ writtenMs, outages }: Killed, summaries: readonly SummaryDocument[]): number {
  const inOutage = (slackMs: number): readonly boolean[] =>
    writtenMs.map((atMs) => outages.some(({ killedMs, toMs }) => killedMs - FLUSH_EVERY_MS - slackMs <= atMs && atMs <= toMs));
  const mayBeLost = inOutage(SLACK_MS);
  /** How many of the frames `first` to `last` may be lost. */
  const allowance = (first: number, last: number): number => mayBeLost.slice(first - 1, last).filter(Boolean).length;
  /** How long before the next kill a frame was written, for the message. */
  const beforeKill = (frame: number): string => {
    const atMs = writtenMs[frame - 1] ?? 0;
    const killedMs = outages.find((outage) => outage.killedMs > atMs)?.killedMs;
    const when = killedMs === undefined ? "after the last kill" : `${Math.round(killedMs - atMs)} ms before a kill`;
    return `frame ${frame} was written ${when}`;
  };
  const spans = summaries.flatMap((summary): Span[] => {
    const { min = Number.NaN, max = Number.NaN, samples = 0 } = summary.stats ?? {};
    return samples === 0 ? [] : [{ first: Math.round(min * 10), last: Math.round(max * 10), samples, summary }];
  });
  let before: Span | undefined;
  for (const span of spans) {
    const { first, last, samples, summary } = span;
    const missing = last - first + 1 - samples;
    expect(missing, `no frame is counted twice in ${summary.id}`).toBeGreaterThanOrEqual(0);
    expect(missing, `frames lost inside ${summary.id}`).toBeLessThanOrEqual(allowance(first, last));
    if (missing > 0) expect(summary.coverage, `${summary.id} lost ${missing}`).toBeLessThan(1);
    const previous = before?.last ?? 0;
    const between = first - previous - 1;
    expect(between, `no frame of ${summary.id} is in the window before too`).toBeGreaterThanOrEqual(0);
    const where = `frames lost before ${summary.id}, ${beforeKill(previous + 1)}`;
    expect(between, where).toBeLessThanOrEqual(allowance(previous + 1, first - 1));
    if (between > 0 && before !== undefined) {
      expect(Math.min(summary.coverage, before.summary.coverage), `${between} lost before ${summary.id}`).toBeLessThan(1);
    }
    before = span;
  }
  expect(before?.last, "the last frame is in").toBe(writtenMs.length);
  const lost = writtenMs.length - spans.reduce((sum, { samples }) => sum + samples, 0);
  expect(lost, "frames lost in all: a flush before each kill, and while nobody read").toBeLessThanOrEqual(
    inOutage(SLACK_MS_MEAN).filter(Boolean).length,
  );
  return lost;
}
