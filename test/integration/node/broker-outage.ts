import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import type { Lab } from "../../support/lab.ts";
import { type NodeProcess, type NodeSite, PREFIX } from "../../support/node-process.ts";
import type { Received, Subscriber } from "../../support/subscriber.ts";
import { expectEveryWindow, expectWholeHistory, type SummaryDocument, summariesOf, untilPhase } from "../../support/summaries.ts";

const WINDOW_MS = 10_000;
const CHANNELS = 12;
/**
 * Attempts come with full jitter, from zero to a ceiling that doubles: after a minute some eight were made, and the ceiling is 256 s at
 * most by chance. Nearly always it is much sooner.
 */
const RETURN_MS = 260_000;
const MEMORY_GROWTH_BYTES_MAX = 10_000_000;

function siteOf(lab: Lab, url: string, id: string): NodeSite {
  const channels = Object.fromEntries(
    Array.from({ length: CHANNELS }, (_, index) => [`pm${index}`, { quantity: "pm25", max: 30, everyMs: 200 }]),
  );
  const streams = Object.fromEntries(Object.keys(channels).map((name) => [name, {}]));
  return lab.site({ node: { id }, broker: { url }, sensors: { air: { driver: "simulator", options: { seed: 1, channels }, streams } } });
}

const ofNode = (messages: readonly Received[], id: string): readonly Received[] =>
  messages.filter(({ topic }) => topic.startsWith(`${PREFIX}/${id}/`));

/** Numbers in the order of their first arrival. */
function numbersOf(messages: readonly Received[]): readonly number[] {
  const numbers = new Set<number>();
  for (const { topic, payload } of messages) {
    if (topic.endsWith("/summary")) numbers.add((JSON.parse(payload.toString("utf8")) as SummaryDocument).seq);
  }
  return [...numbers];
}

/** Nothing was lost: every number has arrived, in order apart from resends, and the node says that nothing waits. */
function expectNothingLost(messages: readonly Received[], id: string): void {
  const own = ofNode(messages, id);
  expectEveryWindow(expectWholeHistory(own, PREFIX));
  const numbers = numbersOf(own);
  expect(numbers, `order of ${id}`).toEqual(numbers.toSorted((a, b) => a - b));
  const goodbye = own.filter(({ topic }) => topic.endsWith("/status")).map(({ payload }) => JSON.parse(payload.toString("utf8")));
  expect(goodbye.at(-1)).toMatchObject({ state: "offline", outbox: { pending: 0, lastSeq: numbers.length, lost: [] } });
}

const residentOf = async (site: NodeSite): Promise<number> => (await site.status()).memory.residentBytes;

/** Two nodes and their broker; the broker is killed for so long, and one of the nodes with it. */
export async function surviveOutage(lab: Lab, awayMs: number): Promise<void> {
  const broker = await lab.mosquitto({ persistence: true, config: ["allow_anonymous true", "max_queued_messages 0"] });
  const session = { clientId: "witness", clean: false, properties: { sessionExpiryInterval: 3_600 } };
  const first = await lab.subscriber(broker.url, "#", session);
  const [staying, killed] = [siteOf(lab, broker.url, "staying"), siteOf(lab, broker.url, "killed")];
  await untilPhase(WINDOW_MS, WINDOW_MS - 4_000);
  const stayingNode = await staying.runUntilReady();
  let killedNode = await killed.runUntilReady();
  const hasBoth = (all: readonly Received[]): boolean => summariesOf(all).length >= 2 * CHANNELS;
  await first.waitFor(hasBoth, 2 * WINDOW_MS);
  await untilPhase(WINDOW_MS, 4_000); // nothing is under way
  const before = await residentOf(staying);

  await Promise.all([broker.kill9(), killedNode.kill9()]);
  const downMs = Date.now();
  killedNode = await killed.runUntilReady();
  await staying.statusWhen(({ status, connection }) => !connection.isUp && status.health === "degraded");
  await wait(awayMs - (Date.now() - downMs));
  const waiting = (await staying.status()).outbox.rows;
  expect(waiting, "summaries are made and wait").toBeGreaterThanOrEqual(CHANNELS * Math.floor(awayMs / WINDOW_MS));
  expect((await leastResidentOf(staying)) - before, "growth of memory during the outage").toBeLessThan(MEMORY_GROWTH_BYTES_MAX);
  await broker.restart();
  const second = await lab.subscriber(broker.url, "#", session);
  await drained([staying, killed]);
  expect((await leastResidentOf(staying)) - before, "growth of memory after the outage").toBeLessThan(MEMORY_GROWTH_BYTES_MAX);
  await stopped([stayingNode, killedNode], second);
  const messages = [...first.messages, ...second.messages];
  for (const id of ["staying", "killed"]) expectNothingLost(messages, id);
}

/** Of some moments: a collection of garbage that is due is no growth, and what has leaked stays. */
async function leastResidentOf(site: NodeSite): Promise<number> {
  const seen: number[] = [];
  for (let look = 0; look < 5; look++) {
    seen.push(await residentOf(site));
    await wait(200);
  }
  return Math.min(...seen);
}

async function drained(sites: readonly NodeSite[]): Promise<void> {
  await Promise.all(sites.map((site) => site.statusWhen(({ connection, outbox }) => connection.isUp && outbox.rows === 0, RETURN_MS)));
}

async function stopped(nodes: readonly NodeProcess[], witness: Subscriber): Promise<void> {
  for (const node of nodes) expect((await node.stop()).code).toBe(0);
  await witness.waitFor((all) => all.filter(({ payload }) => payload.includes('"state":"offline"')).length === nodes.length);
}
