import type { Message } from "../../src/core/anonymise/message.ts";
import type { TlsFacts } from "../../src/core/residency/evidence.ts";
import type { Broker, BrokerEvent, BrokerLink, BrokerListener, CloseCause, ConnectRequest } from "../../src/ports/broker.ts";
import type { Clock } from "../../src/ports/clock.ts";

/** A PUBLISH as it was handed over. */
export interface SeenPublish {
  readonly conn: number;
  readonly token: number;
  readonly topic: string;
  readonly text: string;
  readonly retain: boolean;
  readonly expirySeconds: number | null;
}

const decoder = new TextDecoder();

/** A broker port that does nothing by itself: a test says what happens. With `friendly` it accepts and acknowledges at once. */
export class ScriptedBroker implements Broker {
  readonly requests: ConnectRequest[] = [];
  readonly published: SeenPublish[] = [];
  readonly ends: number[] = [];
  readonly cuts: number[] = [];
  friendly = false;
  /** The reason code by which a friendly one answers to a message. */
  answer: (topic: string) => number = () => 0;
  receiveMaximum = 65_535;
  readonly #clock: Clock;
  #listener: BrokerListener = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  connect(request: ConnectRequest, listener: BrokerListener): BrokerLink {
    this.requests.push(request);
    this.#listener = listener;
    const conn = this.requests.length;
    if (this.friendly) this.#soon(() => this.accept());
    return {
      publish: (message, token) => this.#take(conn, message, token),
      end: () => {
        this.ends.push(conn);
        this.#soon(() => listener({ type: "closed", cause: { is: "asked" } }));
      },
      destroy: () => {
        this.cuts.push(conn);
        this.#soon(() => listener({ type: "closed", cause: { is: "asked" } }));
      },
    };
  }

  accept(address = "192.0.2.1:8883", tls?: TlsFacts): void {
    const facts = { address, receiveMaximum: this.receiveMaximum, packetBytesMax: null };
    this.tell({ type: "connected", ...facts, ...(tls === undefined ? {} : { tls }) });
  }

  acknowledge(token: number, reasonCode = 0): void {
    this.tell({ type: "acknowledged", token, reasonCode });
  }

  close(cause: CloseCause = { is: "network", code: "ECONNRESET" }): void {
    this.tell({ type: "closed", cause });
  }

  /** Delivers an event of the newest connection. */
  tell(event: BrokerEvent): void {
    this.#listener(event);
  }

  /** The listener of now, to be called when it is of an older connection. */
  get listener(): BrokerListener {
    return this.#listener;
  }

  /** Tokens of summaries and metas of one connection, in the order in which they were published. */
  tokens(conn = this.requests.length): readonly number[] {
    return this.published.filter((one) => one.conn === conn && one.token > 0).map(({ token }) => token);
  }

  /** Payloads on a topic, parsed. */
  on(topic: string): readonly Readonly<Record<string, unknown>>[] {
    return this.published.filter((one) => one.topic === topic).map(({ text }) => JSON.parse(text) as Record<string, unknown>);
  }

  #take(conn: number, { topic, payload, retain, expirySeconds }: Message, token: number): void {
    this.published.push({ conn, token, topic, text: decoder.decode(payload), retain, expirySeconds });
    if (this.friendly) this.#soon(() => this.acknowledge(token, this.answer(topic)));
  }

  #soon(task: () => void): void {
    this.#clock.after(1, task);
  }
}
