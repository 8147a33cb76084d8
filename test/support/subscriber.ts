import { connect, type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";

const WAIT_MS = 5_000;
const ROUND_TRIP = "stoep-test/round-trip";

/** A message as a subscriber got it. */
export interface Received {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retain: boolean;
  readonly properties: IPublishPacket["properties"];
  /** `performance.now()` at arrival. */
  readonly atMs: number;
}

/** An independent witness: a plain MQTT.js client that collects what a broker hands out, in order of arrival. */
export class Subscriber {
  readonly messages: Received[] = [];
  readonly #client: MqttClient;
  readonly #onRoundTrip: (() => void)[] = [];
  readonly #waiting = new Set<() => void>();

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on("message", (topic, payload, { retain, properties }) => {
      if (topic === ROUND_TRIP) return this.#onRoundTrip.shift()?.();
      this.messages.push({ topic, payload, retain, properties, atMs: performance.now() });
      for (const check of this.#waiting) check();
    });
  }

  /** Resolves when the subscription holds. */
  static async start(url: string, topic = "#", options: IClientOptions = {}): Promise<Subscriber> {
    const client = connect(url, { protocolVersion: 5, reconnectPeriod: 0, ...options });
    // It listens before it is connected: a session that was kept hands out at once what waited in it.
    const subscriber = new Subscriber(client);
    client.on("error", () => {});
    await new Promise<void>((resolve, reject) => {
      client.once("connect", () => resolve());
      client.once("close", () => reject(new Error(`no connection to ${url}`)));
    });
    // Retain as published: otherwise the flag only tells old messages from new ones.
    await client.subscribeAsync(topic, { qos: 1, rap: true });
    return subscriber;
  }

  /** Resolves once `done` holds for what has arrived; rejects, saying what did arrive, after `timeoutMs`. */
  async waitFor(done: (messages: readonly Received[]) => boolean, timeoutMs = WAIT_MS): Promise<readonly Received[]> {
    if (done(this.messages)) return this.messages;
    await new Promise<void>((resolve, reject) => {
      const check = () => {
        if (!done(this.messages)) return;
        this.#waiting.delete(check);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        const topics = this.messages.slice(-10).map((message) => message.topic);
        reject(new Error(`not within ${timeoutMs} ms; ${this.messages.length} messages, the last: ${topics.join(" ")}`));
      }, timeoutMs);
      this.#waiting.add(check);
    });
    return this.messages;
  }

  /** Resolves when everything that the broker had for it so far has arrived: a message of its own comes back behind it. */
  async roundTrip(): Promise<void> {
    await this.#client.subscribeAsync(ROUND_TRIP, { qos: 1 });
    const back = new Promise<void>((resolve) => this.#onRoundTrip.push(resolve));
    await this.#client.publishAsync(ROUND_TRIP, "", { qos: 1 });
    await back;
  }

  async stop(): Promise<void> {
    await this.#client.endAsync(true);
  }
}
