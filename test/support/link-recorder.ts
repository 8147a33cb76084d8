import type { Message } from "../../src/core/anonymise/message.ts";
import type { Broker, BrokerEvent, BrokerLink, CloseCause } from "../../src/ports/broker.ts";
import { lostStatus } from "./messages.ts";

/** A connection and all that it told, in order. */
export class RecordedLink {
  readonly events: BrokerEvent[] = [];
  readonly link: BrokerLink;
  /** Called after an event was recorded. */
  onEvent: (event: BrokerEvent) => void = () => {};

  constructor(broker: Broker, request: { timeoutMs?: number; will?: Message; addresses?: readonly string[] } = {}) {
    this.link = broker.connect({ will: lostStatus, timeoutMs: 5_000, ...request }, (event) => {
      this.events.push(event);
      this.onEvent(event);
    });
  }

  get connected(): Extract<BrokerEvent, { type: "connected" }> | null {
    return this.events.find((event) => event.type === "connected") ?? null;
  }

  get acknowledged(): Extract<BrokerEvent, { type: "acknowledged" }>[] {
    return this.events.filter((event) => event.type === "acknowledged");
  }

  /** The cause of the end, or null while there is none. */
  get cause(): CloseCause | null {
    return this.events.find((event) => event.type === "closed")?.cause ?? null;
  }
}
