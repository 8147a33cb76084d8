import type { SummaryBody } from "../core/anonymise/body.ts";
import { type Message, sealMessage } from "../core/anonymise/message.ts";
import { Summary } from "../core/anonymise/summary.ts";
import { assert } from "../core/assert.ts";
import type { NodeId } from "../core/units/ids.ts";
import { type EpochMs, isoDuration, isoUtc } from "../core/units/time.ts";
import type { MetaDocument, StatusDocument } from "./documents.ts";

/** What a summary needs besides itself to become a message (CONTRACT §3). */
export interface Envelope {
  readonly node: NodeId;
  readonly instance: string;
  readonly seq: number;
  /** Start of the previous summary of this stream, null at first. */
  readonly prev: EpochMs | null;
  /** Names the meta that explains it. */
  readonly rev: string;
  readonly made: EpochMs;
}

/** Payloads share memory, as many as fit: an allocation for each costs more than writing it. */
const SHARED_BYTES = 16 * 1024;
/** The most bytes of UTF-8 that one unit of a string takes. */
const BYTES_PER_UNIT_MAX = 3;

/** Start, end, predecessor and making of a few window lengths that close together. */
const TIME_TEXTS_MAX = 16;

/** A broker forgets a status that was not renewed for three periods. */
const STATUS_EXPIRY_PERIODS = 3;

/** Stoep's own format: topics of CONTRACT §2, payloads of §3 and §4. */
export class NativeFormat {
  /** Every topic of this node begins with it. */
  readonly root: string;
  readonly #times = new TimeTexts();

  /** `prefix`: 1 to 4 topic levels. */
  constructor(prefix: string, node: NodeId) {
    this.root = `${prefix}/${node}`;
  }

  summary(summary: Summary, envelope: Envelope): Message {
    assert(Summary.isSealed(summary), "only what core/anonymise made becomes a message");
    const { stream } = summary;
    return seal(`${this.root}/${stream.sensor}/${stream.name}/summary`, summaryPayload(summary, envelope, this.#times), false, null);
  }

  status(document: StatusDocument): Message {
    return seal(this.statusTopic, document, true, document.state === "lost" ? null : document.every * STATUS_EXPIRY_PERIODS);
  }

  meta(document: MetaDocument): Message {
    return seal(document.about === "node" ? `${this.root}/meta` : `${this.root}/${document.sensor}/meta`, document, true, null);
  }

  /** What makes a broker forget what it retains on a topic: a retained message of no bytes (MQTT 5 §3.3.1.3). */
  cleared(topic: string): Message {
    assert(/\/(?:status|meta)$/.test(topic), "only status and meta are retained");
    return sealMessage({ topic, payload: new Uint8Array(0), retain: true, expirySeconds: null });
  }

  get statusTopic(): string {
    return `${this.root}/status`;
  }

  /** Topic of a stream's summaries, for meta and for people. */
  summaryTopic(sensor: string, stream: string): string {
    return `${this.root}/${sensor}/${stream}/summary`;
  }

  /** Topic filter that everything of this node matches. */
  get everything(): string {
    return `${this.root}/#`;
  }
}

/** The summaries of a window share its times; writing one takes longer than all the numbers of a summary. */
class TimeTexts {
  readonly #texts = new Map<EpochMs, string>();

  of(at: EpochMs): string {
    const known = this.#texts.get(at);
    if (known !== undefined) return known;
    if (this.#texts.size === TIME_TEXTS_MAX) this.#texts.clear();
    const text = isoUtc(at);
    this.#texts.set(at, text);
    return text;
  }
}

/** Writes texts as UTF-8, one behind the other. What it gave is never written to again. */
class Encoder {
  readonly #encoder = new TextEncoder();
  #shared = new Uint8Array(0);
  #used = 0;

  encode(text: string): Uint8Array {
    const bytesMax = text.length * BYTES_PER_UNIT_MAX;
    if (bytesMax > SHARED_BYTES) return this.#encoder.encode(text);
    if (this.#used + bytesMax > this.#shared.length) {
      this.#shared = new Uint8Array(SHARED_BYTES);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += this.#encoder.encodeInto(text, this.#shared.subarray(start)).written;
    return this.#shared.subarray(start, this.#used);
  }
}

const encoder = new Encoder();

function seal(topic: string, document: object, retain: boolean, expirySeconds: number | null): Message {
  return sealMessage({ topic, payload: encoder.encode(JSON.stringify(document)), retain, expirySeconds });
}

function summaryPayload(summary: Summary, envelope: Envelope, times: TimeTexts): object {
  const { stream, window } = summary;
  const { channel } = stream;
  const start = times.of(window.start);
  return {
    v: 1,
    id: `${envelope.node}/${stream.id}/${isoDuration(stream.windowMs)}/${start}`,
    node: envelope.node,
    instance: envelope.instance,
    seq: envelope.seq,
    prev: envelope.prev === null ? null : times.of(envelope.prev),
    rev: envelope.rev,
    sensor: stream.sensor,
    stream: stream.name,
    quantity: channel.quantity,
    kind: channel.kind,
    unit: channel.unit,
    window: { start, end: times.of(window.end), seconds: (window.end - window.start) / 1_000 },
    made: times.of(envelope.made),
    ...bodyOf(summary.body),
    privacy: summary.privacy,
    coverage: summary.coverage,
    quality: summary.quality,
    flags: summary.flags,
    time: summary.time,
  };
}

function bodyOf(body: SummaryBody): object {
  switch (body.is) {
    case "stats":
      return { stats: body.stats };
    case "cells":
      return body.total === null ? { cells: body.cells } : { cells: body.cells, total: body.total };
    case "histogram":
      return { histogram: { edges: body.edges, counts: body.counts, unit: body.unit, v85: body.v85 } };
    case "reason":
      return { reason: body.reason };
  }
}
