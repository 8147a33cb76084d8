import { randomBytes } from "node:crypto";
import { createMqttBroker, type MqttBrokerOptions } from "../../src/adapters/mqtt/mqtt-broker.ts";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { createSystemClock } from "../../src/adapters/system-clock.ts";
import { createSystemCrypto } from "../../src/adapters/system-crypto.ts";
import { sealMessage } from "../../src/core/anonymise/message.ts";
import { epochMs } from "../../src/core/units/time.ts";
import type { Outbox } from "../../src/ports/outbox.ts";
import { Publisher } from "../../src/runtime/publisher.ts";
import type { PublisherLimits } from "../../src/runtime/publisher-limits.ts";
import { TimeDesk } from "../../src/runtime/time-desk.ts";
import { RecordingEvents } from "./recording-events.ts";
import type { Received } from "./subscriber.ts";
import { until } from "./until.ts";

const TICK_MS = 1_000;
const LIMITS: PublisherLimits = { inFlightMax: 20, ackTimeoutMs: 30_000, perSecond: null, spreadMs: 0, departMs: 0 };
const clock = createSystemClock();
const crypto = createSystemCrypto();

/** A row for `add`: which sensor it is of, and how long its payload is at least. */
export interface RigRow {
  readonly sensor?: string;
  readonly padBytes?: number;
}

/**
 * The sending half of a node on real time: outbox in SQLite (in memory), publisher, delivery machine, MQTT.js over TCP. Not in it: sensors,
 * windows, TLS. Rows are `{"id":…}` under `rig/NODE/SENSOR/s/summary`.
 */
export class DeliveryRig {
  readonly events = new RecordingEvents();
  readonly publisher: Publisher;
  /** `performance.now()` of each connection that was accepted. */
  readonly connectedAtMs: number[] = [];
  readonly ids: string[] = [];
  readonly #outbox: Outbox;
  readonly #name: string;
  readonly #ticking: NodeJS.Timeout;

  static async start(name: string, broker: Partial<MqttBrokerOptions> & { readonly url: string }, limits: Partial<PublisherLimits> = {}) {
    const rig = new DeliveryRig(name, broker, limits, await openOutbox({ directory: null, randomBytes }));
    rig.publisher.start();
    return rig;
  }

  private constructor(
    name: string,
    broker: Partial<MqttBrokerOptions> & { readonly url: string },
    limits: Partial<PublisherLimits>,
    outbox: Outbox,
  ) {
    this.#name = name;
    this.#outbox = outbox;
    const status = (state: string) => () =>
      sealMessage({ topic: `rig/${name}/status`, payload: Buffer.from(`{"state":"${state}"}`), retain: true, expirySeconds: null });
    const emit = this.events.emit.bind(this.events);
    const events = {
      emit: (event: Parameters<typeof emit>[0]) => {
        if (event.type === "BrokerConnected") this.connectedAtMs.push(performance.now());
        emit(event);
      },
    };
    this.publisher = new Publisher(
      {
        clock,
        crypto,
        outbox,
        events,
        time: new TimeDesk(clock, events, "operator", () => {}),
        broker: createMqttBroker({ protocol: 5, clientId: name, keepAliveMs: 5_000, ...broker }),
        will: status("lost"),
        greeting: status("online"),
      },
      { ...LIMITS, ...limits },
    );
    this.#ticking = setInterval(() => void this.publisher.tick(), TICK_MS);
  }

  /** So many messages wait for a PUBACK, in flight or not. */
  get pending(): number {
    return this.#outbox.standing().pendingRows;
  }

  get lost() {
    return this.#outbox.standing().lost;
  }

  /** Puts rows into the outbox, in one commit. */
  async add(...rows: readonly RigRow[]): Promise<void> {
    const made = rows.map(({ sensor = "a", padBytes = 0 }) => {
      const id = `${this.#name}/${sensor}/${this.ids.length + 1}`;
      this.ids.push(id);
      const payload = Buffer.from(JSON.stringify({ id, pad: "x".repeat(padBytes) }));
      const message = sealMessage({ topic: `rig/${this.#name}/${sensor}/s/summary`, payload, retain: false, expirySeconds: null });
      return { message, seq: this.ids.length };
    });
    await this.publisher.commit({ rows: made, marks: new Map(), facts: new Map(), madeAt: epochMs(Date.now()) });
    this.publisher.wake();
  }

  untilDrained(timeoutMs = 20_000): Promise<void> {
    return until(() => this.pending === 0, `${this.#name} drained (${this.pending} pending)`, timeoutMs);
  }

  untilUp(timeoutMs = 20_000): Promise<void> {
    return until(() => this.publisher.report.isUp, `${this.#name} connected`, timeoutMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticking);
    const goodbye = sealMessage({ topic: `rig/${this.#name}/status`, payload: new Uint8Array(0), retain: true, expirySeconds: null });
    await this.publisher.stop(() => goodbye, 0);
    await this.#outbox.close();
  }
}

/** Ids of summaries, as a witness got them. */
export function idsIn(messages: readonly Received[]): readonly string[] {
  return messages
    .filter(({ topic }) => topic.startsWith("rig/") && topic.endsWith("/summary"))
    .map(({ payload }) => (JSON.parse(payload.toString("utf8")) as { id: string }).id);
}

/** How often something arrived a second time. */
export const doubled = (ids: readonly string[]): number => ids.length - new Set(ids).size;
