import type { GroupPlan, NodePlan, SensorPlan } from "../config/plan.ts";
import { claimOf } from "../core/anonymise/claims.ts";
import type { Message } from "../core/anonymise/message.ts";
import { noisedNote } from "../core/anonymise/noised.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import { epsilonFraction } from "../core/units/epsilon.ts";
import type { SensorId } from "../core/units/ids.ts";
import type { EpochMs } from "../core/units/time.ts";
import type { MetaDocument } from "../formats/documents.ts";
import type { NativeFormat } from "../formats/native.ts";
import type { Crypto } from "../ports/crypto.ts";
import { META_FACT, METAS_BROKER_FACT, type NewRow, type Outbox, TOPICS_FACT } from "../ports/outbox.ts";

/** A meta with its name and where it goes. */
export interface MetaEntry {
  readonly topic: string;
  readonly rev: string;
  readonly message: Message;
}

const REV_DIGITS = 8;
/**
 * In place of a rev: the empty meta was queued last, at this position of the outbox. Its topic stays listed until that is settled: then
 * the broker has it, or the fact is not there any more, as with every meta that was refused or given up.
 */
const goneAt = (position: number): string => `gone:${position}`;

/** The position of the empty meta; null: none was queued. */
function positionOfGone(fact: string | null): number | null {
  const position = /^gone:([0-9]{1,16})$/.exec(fact ?? "")?.[1];
  return position === undefined ? null : Number(position);
}

const revFact = (topic: string): string => `${META_FACT}${topic}`;

/** What a list of topics is read from. */
export type MetaRecord = Pick<Outbox, "recall" | "standing">;

/** Topics of metas that the broker may retain. Empty when that is not known. */
export async function metaTopics(outbox: MetaRecord): Promise<readonly string[]> {
  const listed = await listedTopics(outbox);
  const taken = await takenAway(outbox, listed);
  return listed.filter((topic) => !taken.has(topic));
}

/** Those of which the broker has the empty meta. */
async function takenAway(outbox: MetaRecord, topics: readonly string[]): Promise<ReadonlySet<string>> {
  const taken = new Set<string>();
  for (const topic of topics) {
    const position = positionOfGone(await outbox.recall(revFact(topic)));
    if (position !== null && position <= outbox.standing().acknowledgedPosition) taken.add(topic);
  }
  return taken;
}

async function listedTopics(outbox: MetaRecord): Promise<readonly string[]> {
  try {
    const topics: unknown = JSON.parse((await outbox.recall(TOPICS_FACT)) ?? "[]");
    return Array.isArray(topics) ? topics.filter((topic) => typeof topic === "string") : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/** Facts after which these metas are not at the broker any more: the next start queues those of its file again. */
export function forgottenMetas(cleared: readonly string[], kept: readonly string[]): ReadonlyMap<string, string> {
  return new Map([[TOPICS_FACT, JSON.stringify(kept)], ...cleared.map((topic) => [revFact(topic), ""] as const)]);
}

/** Facts after which these metas are queued again, by the next who looks or the next start. */
export function unexplained(topics: ReadonlySet<string>): ReadonlyMap<string, string> {
  return new Map([...topics].map((topic) => [revFact(topic), ""]));
}

/** What the node says about itself and its sensors, each under a `rev`: the first 8 hex digits of the SHA-256 of its canonical JSON. */
export class MetaBook {
  readonly entries: readonly MetaEntry[];
  readonly nodeRev: string;
  readonly #format: NativeFormat;
  readonly #broker: string;
  readonly #revs = new Map<SensorId, string>();

  constructor(plan: NodePlan, format: NativeFormat, crypto: Crypto, version: string) {
    this.#format = format;
    this.#broker = plan.broker.url;
    const nodeMeta = stamped(nodeDocument(plan, version), crypto);
    this.nodeRev = nodeMeta.rev;
    const entries = [entry(nodeMeta, format)];
    for (const sensor of plan.sensors) {
      const document = stamped(sensorDocument(plan, sensor, format), crypto);
      this.#revs.set(sensor.id, document.rev);
      entries.push(entry(document, format));
    }
    for (const group of plan.groups) {
      const document = stamped(groupDocument(plan, group, format), crypto);
      this.#revs.set(group.id, document.rev);
      entries.push(entry(document, format));
    }
    this.entries = entries;
  }

  /**
   * Puts the metas that differ from what was last queued into the outbox, with a note that they are there, or none of them; all of them
   * where that was for another broker. Those of sensors that are not there any more follow, empty: the broker forgets them once it has
   * what they explain.
   */
  async queue(outbox: Outbox, madeAt: EpochMs): Promise<void> {
    const rows: NewRow[] = [];
    const facts = new Map<string, string>();
    const isElsewhere = (await outbox.recall(METAS_BROKER_FACT)) !== this.#broker;
    if (isElsewhere) facts.set(METAS_BROKER_FACT, this.#broker);
    for (const { topic, rev, message } of this.entries) {
      if (!isElsewhere && (await outbox.recall(revFact(topic))) === rev) continue;
      rows.push({ message, seq: null });
      facts.set(revFact(topic), rev);
    }
    const listed = await listedTopics(outbox);
    const present = new Set(this.entries.map(({ topic }) => topic));
    const taken = await takenAway(outbox, listed);
    const forgotten = listed.filter((topic) => taken.has(topic) && !present.has(topic));
    const topics = new Set([...listed.filter((topic) => !forgotten.includes(topic)), ...present]);
    const gone: string[] = [];
    for (const topic of topics) {
      // What an earlier name of the node or prefix left behind is not this node's to clear: `stoep retire` does, before it is renamed.
      if (present.has(topic) || !topic.startsWith(`${this.#format.root}/`)) continue;
      if (positionOfGone(await outbox.recall(revFact(topic))) === null) gone.push(topic);
    }
    const { lastPosition } = outbox.standing();
    for (const topic of gone) {
      rows.push({ message: this.#format.cleared(topic), seq: null });
      facts.set(revFact(topic), goneAt(lastPosition + rows.length));
    }
    if (forgotten.length > 0 || topics.size > listed.length) {
      for (const [key, value] of forgottenMetas(forgotten, [...topics])) facts.set(key, value);
    }
    if (facts.size > 0) await outbox.commit({ rows, marks: new Map(), facts, madeAt });
  }

  /** The rev of the meta that explains a sensor's summaries. */
  revOf(sensor: SensorId): string {
    return this.#revs.get(sensor) ?? this.nodeRev;
  }
}

function entry(document: MetaDocument, format: NativeFormat): MetaEntry {
  const message = format.meta(document);
  return { topic: message.topic, rev: document.rev, message };
}

function stamped(document: MetaDocument, crypto: Crypto): MetaDocument {
  return { ...document, rev: crypto.sha256(JSON.stringify(document)).slice(0, REV_DIGITS) };
}

function nodeDocument(plan: NodePlan, version: string): MetaDocument {
  const { id, name, owner, purpose, location, timeZone } = plan.node;
  return { v: 1, about: "node", rev: "", node: id, name, owner, purpose, location, timeZone, software: { name: "stoep", version } };
}

function sensorDocument(plan: NodePlan, sensor: SensorPlan, format: NativeFormat): MetaDocument {
  const streams = sensor.streams.filter((stream) => stream.policy.is !== "withheld");
  return {
    v: 1,
    about: "sensor",
    rev: "",
    node: plan.node.id,
    sensor: sensor.id,
    driver: sensor.driver.name,
    instrument: sensor.instrument,
    location: sensor.location ?? plan.node.location,
    azimuth: sensor.azimuth,
    directions: sensor.directions,
    simulated: sensor.port.is === "replay" || sensor.port.is === "simulator",
    streams: streamsOf(sensor.id, streams, format),
  };
}

/** A group is described as one sensor. Of its members it says how many there are, and not which. */
function groupDocument(plan: NodePlan, { id, stream, simulated }: GroupPlan, format: NativeFormat): MetaDocument {
  const { location } = plan.node;
  const nothing = { instrument: null, azimuth: null, directions: {} };
  const streams = streamsOf(id, stream.policy.is === "withheld" ? [] : [stream], format);
  return { v: 1, about: "sensor", rev: "", node: plan.node.id, sensor: id, driver: "group", location, ...nothing, simulated, streams };
}

function streamsOf(sensor: SensorId, streams: readonly StreamPlan[], format: NativeFormat): Readonly<Record<string, object>> {
  return Object.fromEntries(
    streams.map((stream) => {
      const { channel, windowMs, latenessMs, binEdges } = stream;
      const { quantity, kind, unit, range, resolution, calibration, cells, states } = channel;
      const shape = kind === "passage" ? { cells } : kind === "speed" ? { bins: binEdges } : kind === "state" ? { states } : {};
      const timing = { windowSeconds: windowMs / 1_000, latenessSeconds: latenessMs / 1_000 };
      const privacy = privacyOf(stream);
      const claim = claimOf(stream);
      const topic = format.summaryTopic(sensor, stream.name);
      return [
        stream.name,
        { topic, channel: channel.name, quantity, kind, unit, range, resolution, calibration, ...shape, ...timing, privacy, claim },
      ];
    }),
  );
}

/** The policy of a stream with everything that a researcher needs to check the claim; the budget as an exact fraction too. */
function privacyOf(stream: StreamPlan): object {
  const { policy, account } = stream;
  if (policy.is === "minimum-count") return { policy: policy.is, k: policy.k };
  if (policy.is === "group") return { policy: "minimum-count", members: policy.members.length };
  if (policy.is !== "noised") return { policy: policy.is };
  const { epsilonMicro, accountMicro, bound } = policy;
  const exact = { epsilonExact: epsilonFraction(epsilonMicro), epsilonTotalExact: epsilonFraction(accountMicro) };
  return { ...noisedNote(stream, policy), account, ...exact, ...(bound === null ? {} : { bound }) };
}
