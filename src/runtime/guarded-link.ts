import type { Message } from "../core/anonymise/message.ts";
import type { Broker, BrokerEvent, BrokerLink, BrokerListener, CloseCause, ConnectRequest } from "../ports/broker.ts";
import type { Cancel, Clock } from "../ports/clock.ts";

/** A connection that waits for leave to be made. Its time runs from the beginning. */
export class GuardedLink implements BrokerLink {
  readonly #listener: BrokerListener;
  readonly #clock: Clock;
  readonly #endsMs: number;
  readonly #cancelTimeout: Cancel;
  #inner: BrokerLink | null = null;
  #isClosed = false;

  constructor(clock: Clock, timeoutMs: number, listener: BrokerListener) {
    this.#clock = clock;
    this.#listener = listener;
    this.#endsMs = clock.monotonicMs() + timeoutMs;
    this.#cancelTimeout = clock.after(timeoutMs, () => {
      if (this.#inner === null) this.close({ is: "timeout" });
    });
  }

  publish(message: Message, token: number): void {
    this.#inner?.publish(message, token);
  }

  end(): void {
    if (this.#inner === null) this.destroy();
    else this.#inner.end();
  }

  destroy(): void {
    if (this.#inner !== null) this.#inner.destroy();
    // No event is told from within a call.
    else queueMicrotask(() => this.close({ is: "asked" }));
  }

  /** Leave is given: connects, unless it was called off meanwhile. */
  open(broker: Broker, request: ConnectRequest, heard: (event: BrokerEvent) => BrokerEvent): void {
    if (this.#isClosed) return;
    this.#cancelTimeout();
    const timeoutMs = Math.max(1, this.#endsMs - this.#clock.monotonicMs());
    this.#inner = broker.connect({ ...request, timeoutMs }, (event) => {
      if (event.type === "closed") this.#isClosed = true;
      this.#listener(heard(event));
    });
  }

  /** Leave is not given. */
  close(cause: CloseCause): void {
    if (this.#isClosed || this.#inner !== null) return;
    this.#isClosed = true;
    this.#cancelTimeout();
    this.#listener({ type: "closed", cause });
  }
}
