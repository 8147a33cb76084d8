import type { NodePlan } from "../config/plan.ts";
import type { Message } from "../core/anonymise/message.ts";
import type { NodeProblem } from "../core/events/problems.ts";
import { reasonName } from "../core/machine/reason-codes.ts";
import type { NativeFormat } from "../formats/native.ts";
import type { Broker, BrokerLink, CloseCause } from "../ports/broker.ts";
import type { Clock } from "../ports/clock.ts";
import type { Crypto } from "../ports/crypto.ts";
import type { Events } from "../ports/events.ts";
import type { Outbox } from "../ports/outbox.ts";
import { forgottenMetas, type MetaBook, type MetaRecord, metaTopics } from "./meta-book.ts";
import { Publisher } from "./publisher.ts";
import { publisherLimits } from "./publisher-limits.ts";
import type { TimeDesk } from "./time-desk.ts";
import { Timers } from "./timers.ts";
import type { Turns } from "./turns.ts";

const CONNECT_MS_MAX = 30_000;
/** How long a broker may take from one acknowledgement to the next. */
const ANSWER_MS_MAX = 10_000;
const TICK_MS = 1_000;
const POLL_MS = 50;

/** What became of one retained message. */
export interface ClearedTopic {
  readonly topic: string;
  readonly outcome: "cleared" | "refused" | "unanswered";
}

/** What would be cleared, and what waits. */
export interface Prospect {
  readonly topics: readonly string[];
  /** Summaries and metas in the outbox that the broker does not have. */
  readonly pending: number;
}

/** What a retirement did. */
export interface Retirement {
  readonly topics: readonly ClearedTopic[];
  /** What still waits in the outbox: it stays there. */
  readonly pending: number;
  /** Why not everything was cleared, or null. */
  readonly trouble: string | null;
}

/** What the broker may retain of this node: its status, and every meta that it ever published. */
export async function retainedTopics(outbox: MetaRecord | null, format: NativeFormat, planned: readonly string[]) {
  const known = outbox === null ? [] : await metaTopics(outbox);
  return [format.statusTopic, ...new Set([...planned, ...known])];
}

export interface RetiringWorld {
  readonly clock: Clock;
  readonly broker: Broker;
  /** Null: there is no store. */
  readonly outbox: Outbox | null;
  readonly time: Pick<TimeDesk, "best">;
}

/**
 * Makes the broker forget the node: retained messages of no bytes, on a connection whose will is one too, ended by DISCONNECT. What was
 * cleared is noted, so that a node that starts again after all says who it is anew. The outbox keeps its summaries. `withinMs`: after
 * this it is broken off; null: it goes on for as long as the broker answers.
 */
export async function clearRetained(
  world: RetiringWorld,
  format: NativeFormat,
  topics: readonly string[],
  withinMs: number | null = null,
): Promise<Retirement> {
  const { outbox, time } = world;
  const session = await clearOver(world, format, topics, withinMs);
  const isMeta = (topic: string): boolean => topic !== format.statusTopic;
  const cleared = session.topics.filter(({ outcome }) => outcome === "cleared").map(({ topic }) => topic);
  if (outbox !== null && cleared.length > 0) {
    const kept = [...new Set([...topics, ...(await metaTopics(outbox))])].filter((topic) => !cleared.includes(topic));
    const facts = forgottenMetas(cleared.filter(isMeta), kept.filter(isMeta));
    await outbox.commit({ rows: [], marks: new Map(), facts, madeAt: time.best() });
  }
  return { ...session, pending: outbox?.standing().pendingRows ?? 0 };
}

/** One message at a time: there are few of them, and each has its own answer. */
function clearOver(
  { broker, clock }: RetiringWorld,
  format: NativeFormat,
  topics: readonly string[],
  withinMs: number | null,
): Promise<Omit<Retirement, "pending">> {
  return new Promise((resolve) => {
    const outcomes = new Map<string, ClearedTopic["outcome"]>();
    let refusal: string | null = null;
    let next = 0;
    let cancel = (): void => {};
    let link: BrokerLink | null = null;
    const cancelAll = withinMs === null ? () => {} : clock.after(withinMs, () => link?.destroy());
    const publishNext = (): void => {
      cancel();
      const topic = topics[next];
      if (topic === undefined) return link?.end();
      cancel = clock.after(ANSWER_MS_MAX, () => link?.destroy());
      link?.publish(format.cleared(topic), next++);
    };
    link = broker.connect({ will: format.cleared(format.statusTopic), timeoutMs: CONNECT_MS_MAX }, (event) => {
      if (event.type === "connected") publishNext();
      if (event.type === "acknowledged") {
        const isTaken = event.reasonCode < 0x80;
        outcomes.set(topics[event.token] ?? "", isTaken ? "cleared" : "refused");
        if (!isTaken) refusal = reasonName(event.reasonCode);
        publishNext();
      }
      if (event.type !== "closed") return;
      cancel();
      cancelAll();
      const told = topics.map((topic) => ({ topic, outcome: outcomes.get(topic) ?? ("unanswered" as const) }));
      const isWhole = outcomes.size === topics.length;
      resolve({ topics: told, trouble: refusal ?? (isWhole ? null : troubleOf(event.cause)) });
    });
  });
}

function troubleOf(cause: CloseCause): string {
  if ("reasonCode" in cause) return `${cause.is}: ${reasonName(cause.reasonCode)}`;
  if (cause.is === "network") return `network: ${cause.code}`;
  return cause.is === "asked" ? "no answer" : cause.is;
}

export interface DrainingWorld extends RetiringWorld {
  readonly outbox: Outbox;
  readonly crypto: Crypto;
  readonly events: Events;
  readonly time: TimeDesk;
}

/** Publishes what waits in the outbox of a node that does not run, for at most `forMs`. Its status is cleared meanwhile. */
export async function drainOutbox(world: DrainingWorld, plan: NodePlan, format: NativeFormat, forMs: number): Promise<void> {
  const { clock, outbox } = world;
  const status = () => format.cleared(format.statusTopic);
  const publisher = new Publisher({ ...world, will: status, greeting: status }, publisherLimits(plan, world.crypto));
  const timers = new Timers(clock);
  const deadlineMs = clock.monotonicMs() + forMs;
  publisher.start();
  timers.everyAfter("tick", TICK_MS, async () => void (await publisher.tick()));
  while (outbox.standing().pendingRows > 0 && clock.monotonicMs() < deadlineMs) {
    await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
  }
  timers.stop();
  await publisher.stop(status, Math.max(0, deadlineMs - clock.monotonicMs()));
}

/** The parts of a running node that have to do with its broker. */
export interface Parting {
  readonly publisher: Publisher;
  readonly format: NativeFormat;
  readonly metas: MetaBook;
  readonly time: TimeDesk;
  readonly problems: Set<NodeProblem>;
  /** One retirement at a time: two connections with one client id would throw each other out. */
  readonly turns: Turns;
  goodbye(): Message;
}

/** A running node that is not connected cannot have anything cleared, and is left as it is. */
export class RetireError extends Error {}

/** What would become of a running node. */
export async function prospectOf({ format, metas }: Parting, outbox: Outbox): Promise<Prospect> {
  const planned = metas.entries.map(({ topic }) => topic);
  return { topics: await retainedTopics(outbox, format, planned), pending: outbox.standing().pendingRows };
}

/**
 * Takes a running node away from its broker: publishes what waits for at most `drainMs`, says goodbye, has the broker forget it, and does
 * not connect again in this run. It goes on collecting. Done again, it only has the broker forget what is left.
 */
export function retireNode(parting: Parting, world: Omit<RetiringWorld, "time"> & { readonly outbox: Outbox }, drainMs: number) {
  const { publisher, format, time, problems, turns, goodbye } = parting;
  return turns.take(async (): Promise<Retirement> => {
    const isRetired = problems.has("RETIRED");
    const { isUp, trouble } = publisher.report;
    if (!isRetired && !isUp) throw new RetireError(`the node has no connection to its broker (${trouble ?? "not yet"})`);
    const { topics } = await prospectOf(parting, world.outbox);
    problems.add("RETIRED");
    if (!isRetired) await publisher.stop(goodbye, drainMs);
    return clearRetained({ ...world, time }, format, topics);
  });
}
