import type { Message } from "../core/anonymise/message.ts";
import { Delivery } from "../core/machine/delivery.ts";
import type { DeliveryEffect, DeliveryEvent } from "../core/machine/delivery-events.ts";
import { reasonName } from "../core/machine/reason-codes.ts";
import type { Broker, BrokerEvent, BrokerLink } from "../ports/broker.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Crypto } from "../ports/crypto.ts";
import type { Events } from "../ports/events.ts";
import type { CloseBatch, Outbox } from "../ports/outbox.ts";
import { ConnectionDesk, type ConnectionReport } from "./connection-desk.ts";
import { OutboxFeed } from "./outbox-feed.ts";
import type { Outgoing } from "./outgoing.ts";
import type { PublisherLimits } from "./publisher-limits.ts";
import { Settlements } from "./settlements.ts";
import type { TimeDesk } from "./time-desk.ts";

const ACK_ROWS = 100;
const CONNECT_TIMEOUT_MS = 30_000;
/** A broker that takes nothing for so long, with something to take, is in trouble of its own. */
const TAKES_NOTHING_MS = 600_000;

export interface PublisherWorld {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly broker: Broker;
  readonly outbox: Outbox;
  readonly events: Events;
  readonly time: TimeDesk;
  /** The will of connection number `conn`. */
  will(conn: number): Message;
  /** The status to say first on a new connection. */
  greeting(conn: number): Message;
}

/** Sends the outbox to the broker and writes down what arrived. Decisions are `core/machine/delivery.ts`; this carries them out. */
export class Publisher {
  /** Topics of metas that the broker has refused: what explains summaries is missing there. Whoever sees to it takes them out. */
  readonly refusedMetas = new Set<string>();
  readonly #world: PublisherWorld;
  readonly #delivery: Delivery<Outgoing>;
  #link: BrokerLink | null = null;
  #cancelConnect: Cancel | null = null;
  #conn = 0;
  #address: string | null = null;
  readonly #desk: ConnectionDesk;
  readonly #feed: OutboxFeed;
  #cancelTick: Cancel | null = null;
  #urgent = 0;
  readonly #settlements = new Settlements();
  /** What is to be published once a row was read again, one after the other, and how many that are. */
  #line: Promise<void> = Promise.resolve();
  #inLine = 0;
  /** Up to where a replay goes that is under way. */
  #replayTo: number | null = null;
  #acknowledging: Promise<void> | null = null;
  /** When the broker last took a row, or there was none that it could take. */
  #progressMs = 0;
  /** Whether a call to the outbox failed since the last tick. */
  #isOutboxFailed = false;
  /** Whether it had failed by the last tick: it was opened again since. */
  #wasOutboxFailed = false;
  #stopping = false;

  /** `conn`: how many connections this run made before. */
  constructor(world: PublisherWorld, limits: PublisherLimits, conn = 0) {
    this.#world = world;
    this.#conn = conn;
    this.#delivery = new Delivery<Outgoing>(limits, () => world.crypto.jitter());
    this.#desk = new ConnectionDesk(world);
    this.#feed = new OutboxFeed(world, limits, {
      appetite: () => this.#delivery.appetite,
      has: (position) => this.#delivery.has(position) || this.#settlements.has(position),
      isHeld: (lane) => this.#delivery.isHeld(lane),
      hasLane: (lane) => this.#delivery.hasLane(lane),
      take: (rows) => this.#handle({ type: "rows", rows }),
      failed: (error) => this.#outboxFailed("read", error),
    });
  }

  get report(): ConnectionReport {
    const { isUp } = this.#delivery;
    const takesNothing = isUp && this.#world.clock.monotonicMs() - this.#progressMs >= TAKES_NOTHING_MS;
    return { isUp, takesNothing, conn: this.#conn, address: this.#address, ...this.#desk.standing() };
  }

  start(): void {
    this.#handle({ type: "connectDue" });
  }

  /** New rows may be in the outbox. */
  wake(): void {
    this.#feed.fetch();
  }

  /** Publishes a status now, if there is a connection. */
  say(message: Message): void {
    if (!this.#delivery.isUp) return;
    this.#urgent--;
    const row = { position: this.#urgent, bytes: message.topic.length + message.payload.length, message, seq: null, metaTopic: null };
    this.#handle({ type: "urgent", row });
  }

  /** Commits `batch`, and with it what is acknowledged by now. */
  async commit(batch: CloseBatch): Promise<void> {
    const { outbox } = this.#world;
    const acknowledgement = this.#settlements.all();
    const before = outbox.standing().lastPosition;
    const made = (): void => this.#feed.made(before, outbox.standing().lastPosition);
    if (this.#acknowledging !== null || this.#settlements.size === 0) return outbox.commit(batch).then(made);
    const committed = outbox.commit({ ...batch, acknowledgement });
    this.#acknowledging = committed
      .then(
        () => this.#settlements.written(acknowledgement),
        () => undefined, // the caller is told; the rows stay settled in memory
      )
      .finally(() => {
        this.#acknowledging = null;
      });
    await committed.then(made);
  }

  /**
   * Sends again what was acknowledged, from summary `fromSeq` on, and says from which number on there still is something; null when
   * all of it waits anyway. Rejects with `OutboxError`, or while a replay is under way.
   */
  async replay(fromSeq: number): Promise<number | null> {
    if (this.#isReplaying || this.#stopping) throw new Error(this.#stopping ? "the node stops" : "a replay is under way already");
    this.#replayTo = Number.POSITIVE_INFINITY;
    // What is settled and not written would wait again otherwise.
    while (this.#acknowledging !== null) await this.#acknowledging;
    await this.#acknowledge(1);
    const rewinding = this.#world.outbox.rewind(fromSeq);
    // In its place, so that nothing is written down meanwhile.
    this.#acknowledging = rewinding
      .then(
        (rewound) => {
          this.#replayTo = rewound === null ? null : this.#feed.readTo;
          if (rewound !== null) this.#feed.rewind(rewound.position);
        },
        () => {
          this.#replayTo = null; // the caller is told
        },
      )
      .finally(() => {
        this.#acknowledging = null;
      });
    await this.#acknowledging;
    this.#feed.fetch();
    return (await rewinding)?.seq ?? null;
  }

  /** Called once a second: overdue PUBACKs, acknowledgements to be written. False: the outbox failed and must be opened again. */
  async tick(): Promise<boolean> {
    // What the outbox has given up meanwhile (too old, no room) keeps nobody waiting.
    this.#handle({ type: "gone", upTo: this.#world.outbox.standing().acknowledgedPosition });
    this.#handle({ type: "tick" });
    if (!this.#delivery.isUp || this.#delivery.isLeftWithBarred) this.#progressMs = this.#world.clock.monotonicMs();
    await this.#acknowledge(1);
    this.#feed.tick(this.#wasOutboxFailed);
    if (!this.#isReplaying) this.#replayTo = null;
    const isWell = !this.#isOutboxFailed;
    this.#wasOutboxFailed = this.#isOutboxFailed;
    this.#isOutboxFailed = false;
    return isWell;
  }

  /** Waits until everything made so far is acknowledged, at most `forMs`; then says `goodbye` and disconnects. */
  async stop(goodbye: () => Message, forMs: number): Promise<void> {
    const { clock } = this.#world;
    const deadlineMs = clock.monotonicMs() + forMs;
    this.#feed.release();
    while (this.#delivery.isUp && !this.#isDrained() && clock.monotonicMs() < deadlineMs) {
      this.#feed.fetch();
      await pause(clock, DRAIN_POLL_MS);
    }
    // Written down first, so that the goodbye does not call waiting what the broker has.
    await this.#acknowledge(1);
    this.#stopping = true;
    this.#feed.stop();
    this.say(goodbye());
    while (this.#delivery.isUp && this.#delivery.inFlight > 0 && clock.monotonicMs() < deadlineMs + GOODBYE_MS)
      await pause(clock, DRAIN_POLL_MS);
    await this.#acknowledging; // it began before the last PUBACK came
    await this.#acknowledge(1);
    this.#link?.end();
    while (this.#link !== null && clock.monotonicMs() < deadlineMs + 2 * GOODBYE_MS) await pause(clock, DRAIN_POLL_MS);
    this.#cancelConnect?.();
    this.#cancelTick?.();
  }

  get #isReplaying(): boolean {
    return this.#replayTo !== null && this.#feed.readTo < this.#replayTo;
  }

  #isDrained(): boolean {
    return this.#delivery.isIdle && this.#feed.readTo >= this.#world.outbox.standing().lastPosition;
  }

  #handle(event: DeliveryEvent<Outgoing>): void {
    for (const effect of this.#delivery.handle(event, this.#world.clock.monotonicMs())) this.#perform(effect);
  }

  #perform(effect: DeliveryEffect<Outgoing>): void {
    switch (effect.type) {
      case "connect":
        return this.#connect();
      case "connectIn":
        this.#cancelConnect?.();
        this.#cancelConnect = this.#world.clock.after(effect.delayMs, () => this.#handle({ type: "connectDue" }));
        return;
      case "publish":
        return this.#publish(effect.row);
      case "settled":
        return this.#settle(effect.row, effect.refusedWith);
      case "failure":
        if (effect.row.position > 0) effect.row.message = null;
        return this.#desk.delayed(effect.reasonCode);
      case "tickIn":
        this.#cancelTick?.();
        this.#cancelTick = this.#world.clock.after(effect.delayMs, () => {
          this.#handle({ type: "tick" });
          this.#feed.fetch();
        });
        return;
      case "cut":
        return this.#link?.destroy();
    }
  }

  #publish(row: Outgoing): void {
    if (row.message !== null && this.#inLine === 0) return void this.#link?.publish(row.message, row.position);
    // What has to be read again takes a moment, and nothing may overtake it.
    const conn = this.#conn;
    this.#inLine++;
    this.#line = this.#line
      .then(() => this.#publishInTurn(row, conn))
      .finally(() => {
        this.#inLine--;
      });
  }

  async #publishInTurn({ position, message }: Outgoing, conn: number): Promise<void> {
    try {
      const [row] = message === null ? await this.#world.outbox.read(position - 1, 1) : [{ position, message }];
      if (conn !== this.#conn) return; // it waits again, for the next connection
      if (row?.position === position) this.#link?.publish(row.message, position);
      else this.#handle({ type: "absent", position });
    } catch (error) {
      // Its acknowledgement stays away, and the connection is cut: then it is its turn again.
      this.#outboxFailed("read", error);
    }
  }

  #connect(): void {
    if (this.#stopping) return;
    this.#conn++;
    const conn = this.#conn;
    const listener = (event: BrokerEvent): void => {
      if (conn === this.#conn) this.#hear(event);
    };
    this.#link = this.#world.broker.connect({ will: this.#world.will(conn), timeoutMs: CONNECT_TIMEOUT_MS }, listener);
  }

  #hear(event: BrokerEvent): void {
    switch (event.type) {
      case "connected":
        this.#address = event.address;
        this.#progressMs = this.#world.clock.monotonicMs();
        this.#desk.connected(event.address);
        this.#handle({ type: "connected", receiveMaximum: event.receiveMaximum, packetBytesMax: event.packetBytesMax });
        this.say(this.#world.greeting(this.#conn));
        return this.#feed.fetch();
      case "acknowledged":
        this.#desk.answered(event.reasonCode);
        return this.#handle({ type: "acknowledged", position: event.token, reasonCode: event.reasonCode });
      case "closed": {
        this.#link = null;
        this.#desk.closed(event.cause);
        return this.#handle({ type: "disconnected", cause: event.cause });
      }
    }
  }

  #settle(row: Outgoing, refusedWith: number | null): void {
    if (row.position < 0) return; // a status: the next one says it anew
    const { position, seq, bytes } = row;
    if (refusedWith === null) {
      this.#progressMs = this.#world.clock.monotonicMs();
      this.#settlements.sent({ position, seq, bytes, at: this.#world.time.best(), address: this.#address ?? "" });
    } else {
      if (row.metaTopic !== null) this.refusedMetas.add(row.metaTopic);
      this.#desk.refused(seq, refusedWith);
      this.#settlements.refused({ position, seq, bytes, reason: reasonName(refusedWith) });
    }
    if (this.#settlements.size >= ACK_ROWS) void this.#acknowledge(ACK_ROWS);
    if (row.lane !== undefined) this.#feed.resume(row.lane);
    this.#feed.fetch();
  }

  /** Writes down what is settled, when that is at least `rowsMin` rows. */
  #acknowledge(rowsMin: number): Promise<void> {
    this.#acknowledging ??= this.#writeAcknowledgement(rowsMin).finally(() => {
      this.#acknowledging = null;
    });
    return this.#acknowledging;
  }

  async #writeAcknowledgement(rowsMin: number): Promise<void> {
    if (this.#settlements.size < rowsMin) return;
    const acknowledgement = this.#settlements.all();
    try {
      await this.#world.outbox.acknowledge(acknowledgement);
      this.#settlements.written(acknowledgement);
    } catch (error) {
      // The rows stay settled in memory and are written with the next ones; after a crash they are sent again, byte for byte.
      this.#outboxFailed("acknowledge", error);
    }
  }

  #outboxFailed(code: "acknowledge" | "read", error: unknown): void {
    this.#isOutboxFailed = true;
    this.#world.events.emit({ type: "OutboxFailed", code, detail: error instanceof Error ? error.message : String(error) });
  }
}

const DRAIN_POLL_MS = 20;
const GOODBYE_MS = 1_000;

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve));
}
