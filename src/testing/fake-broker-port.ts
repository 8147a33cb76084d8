import type { Message, MessageParts } from "../core/anonymise/message.ts";
import { unreachable } from "../core/assert.ts";
import type { MonotonicMs } from "../core/units/time.ts";
import type { Broker, BrokerEvent, BrokerLink, BrokerListener, CloseCause, ConnectRequest } from "../ports/broker.ts";
import type { Cancel, Clock } from "../ports/clock.ts";

/** Longest that `end` may take (`BrokerLink.end`). */
const END_MS_MAX = 1_000;
/** DISCONNECT reasons that a broker gives to a client that ignores its limits (MQTT 5 §4.13.1). */
const RECEIVE_MAXIMUM_EXCEEDED = 0x93;
const PACKET_TOO_LARGE = 0x95;

/** What the broker makes of a connection attempt. */
export type ConnectAnswer =
  | { readonly is: "accept" }
  /** Ends with this cause: a refusal, a name that cannot be resolved. */
  | { readonly is: "fail"; readonly cause: CloseCause }
  /** Says nothing: the attempt times out. */
  | { readonly is: "ignore" };

/** What the broker makes of a PUBLISH. */
export type PublishAnswer =
  /** `times` PUBACKs, `lateMs` after the arrival; a `reasonCode` of 0x80 or more: the broker has not got it. Default: 0, 0, 1. */
  | { readonly is: "acknowledge"; readonly reasonCode?: number; readonly lateMs?: number; readonly times?: number }
  /** The broker has the message, and never says so. */
  | { readonly is: "withhold" }
  /** The broker hands it out twice, and acknowledges it once. */
  | { readonly is: "duplicate" }
  /** The connection breaks before a PUBACK; `kept`: whether the broker has the message. */
  | { readonly is: "cut"; readonly kept: boolean };

/** A message that the broker has, with the bytes that it got. */
export interface ReceivedMessage extends MessageParts {
  /** A will, not a publish. */
  readonly isWill: boolean;
  /** Which attempt to connect it came over, from 0. */
  readonly attempt: number;
  readonly at: MonotonicMs;
}

/** The world of a `FakeBrokerPort`. */
export interface FakeBrokerOptions {
  /** Must run tasks of the same instant in the order in which they were asked for. */
  readonly clock: Clock;
  /** Time from here to the broker, and from there to here. 10 by default. */
  readonly oneWayMs?: number;
  /** Limits that the broker names, and enforces by DISCONNECT. 65535 and none by default. */
  readonly receiveMaximum?: number;
  readonly packetBytesMax?: number | null;
}

/**
 * A broker in memory, for simulations: friendly unless `onConnect` or `onPublish` are replaced, which may be done at any time.
 * Everything happens on the clock that it was given, nothing at random, and no event is delivered from within a call.
 */
export class FakeBrokerPort implements Broker {
  /** All that reached the broker, in the order of arrival. */
  readonly received: ReceivedMessage[] = [];
  /** Asked when a CONNECT arrives; attempts count from 0. */
  onConnect: (attempt: number, request: ConnectRequest) => ConnectAnswer = () => ({ is: "accept" });
  /** Asked when a PUBLISH arrives; `index` counts those of all connections from 0. */
  onPublish: (index: number, message: Message) => PublishAnswer = () => ({ is: "acknowledge" });
  /** How many connections were tried. */
  attempts = 0;
  /** How many PUBLISHes arrived within the limits, kept or not. */
  publishes = 0;
  readonly #world: Required<FakeBrokerOptions>;
  readonly #links = new Set<FakeLink>();

  constructor({ clock, oneWayMs = 10, receiveMaximum = 65_535, packetBytesMax = null }: FakeBrokerOptions) {
    this.#world = { clock, oneWayMs, receiveMaximum, packetBytesMax };
  }

  /** Connections that the broker holds open. */
  get open(): number {
    return this.#links.size;
  }

  connect(request: ConnectRequest, listener: BrokerListener): BrokerLink {
    return new FakeLink(this, this.#links, this.#world, request, listener);
  }

  /** Breaks every connection, from the broker's side or in between; it then publishes the wills. */
  closeAll(cause: CloseCause = { is: "network", code: "ECONNRESET" }): void {
    for (const link of this.#links) link.breakOff(cause);
  }
}

/** Both ends of one connection. What was sent before an orderly or a rude end by us still arrives; what `breakOff` meets is lost. */
class FakeLink implements BrokerLink {
  readonly #port: FakeBrokerPort;
  readonly #links: Set<FakeLink>;
  readonly #world: Required<FakeBrokerOptions>;
  readonly #request: ConnectRequest;
  readonly #listener: BrokerListener;
  readonly #attempt: number;
  readonly #cancelTimeout: Cancel;
  /** Our end: may publish only while open. */
  #here: "opening" | "open" | "ending" | "closed" = "opening";
  /** Published, and no acknowledgement is here yet: what must not exceed Receive Maximum (MQTT 5 §4.9). */
  #inFlight = 0;

  constructor(
    port: FakeBrokerPort,
    links: Set<FakeLink>,
    world: Required<FakeBrokerOptions>,
    request: ConnectRequest,
    listener: BrokerListener,
  ) {
    this.#port = port;
    this.#links = links;
    this.#world = world;
    this.#request = request;
    this.#listener = listener;
    this.#attempt = port.attempts++;
    this.#cancelTimeout = world.clock.after(request.timeoutMs, () => this.#close({ is: "timeout" }));
    this.#afterTrip(() => this.#connectArrives());
  }

  publish(message: Message, token: number): void {
    if (this.#here !== "open") return;
    this.#inFlight += 1;
    const breach = this.#breach(message);
    this.#afterTrip(() => {
      if (!this.#links.has(this)) return;
      if (breach === null) this.#publishArrives(message, token);
      else this.breakOff({ is: "disconnected", reasonCode: breach });
    });
  }

  end(): void {
    if (this.#here === "ending" || this.#here === "closed") return;
    this.#here = "ending";
    const closed = () => this.#close({ is: "asked" });
    this.#afterTrip(() => {
      this.#links.delete(this);
      this.#afterTrip(closed);
    });
    this.#world.clock.after(END_MS_MAX, closed);
  }

  destroy(): void {
    if (this.#here === "closed") return;
    this.#here = "ending";
    this.#world.clock.after(0, () => this.#close({ is: "asked" }));
  }

  /** The connection is gone at once for the broker, and as soon as may be for us. */
  breakOff(cause: CloseCause): void {
    this.#publishWill();
    this.#world.clock.after(0, () => this.#close(cause));
  }

  #connectArrives(): void {
    if (this.#here !== "opening") return;
    const answer = this.#port.onConnect(this.#attempt, this.#request);
    switch (answer.is) {
      case "accept":
        this.#links.add(this);
        this.#afterTrip(() => this.#connackArrives());
        return;
      case "fail":
        this.#afterTrip(() => this.#close(answer.cause));
        return;
      case "ignore":
        return;
      default:
        unreachable(answer);
    }
  }

  #connackArrives(): void {
    if (this.#here !== "opening") return;
    const { receiveMaximum, packetBytesMax } = this.#world;
    this.#here = "open";
    this.#cancelTimeout();
    this.#listener({ type: "connected", address: "192.0.2.1:8883", receiveMaximum, packetBytesMax });
  }

  #publishArrives(message: Message, token: number): void {
    const answer = this.#port.onPublish(this.#port.publishes++, message);
    switch (answer.is) {
      case "acknowledge": {
        const { reasonCode = 0, lateMs = 0, times = 1 } = answer;
        if (reasonCode < 0x80) this.#keep(message, false);
        for (let time = 0; time < times; time++) this.#acknowledge(token, reasonCode, lateMs, time === 0);
        return;
      }
      case "withhold":
        this.#keep(message, false);
        return;
      case "duplicate":
        this.#keep(message, false);
        this.#keep(message, false);
        this.#acknowledge(token, 0, 0, true);
        return;
      case "cut":
        if (answer.kept) this.#keep(message, false);
        this.breakOff({ is: "network", code: "ECONNRESET" });
        return;
      default:
        unreachable(answer);
    }
  }

  /** The reason for which a broker throws us out that means its limits, or null. */
  #breach({ topic, payload }: Message): number | null {
    const { receiveMaximum, packetBytesMax } = this.#world;
    if (this.#inFlight > receiveMaximum) return RECEIVE_MAXIMUM_EXCEEDED;
    // Topic and payload alone are a lower bound of the packet: nobody who counts the rest as well is punished for it.
    if (packetBytesMax !== null && topic.length + payload.length > packetBytesMax) return PACKET_TOO_LARGE;
    return null;
  }

  #acknowledge(token: number, reasonCode: number, lateMs: number, isFirst: boolean): void {
    const arrive = () => {
      if (isFirst) this.#inFlight -= 1;
      this.#emit({ type: "acknowledged", token, reasonCode });
    };
    const send = () => {
      if (this.#links.has(this)) this.#afterTrip(arrive);
    };
    // At once where it is not late: before whatever arrives at this same instant.
    if (lateMs === 0) send();
    else this.#world.clock.after(lateMs, send);
  }

  #publishWill(): void {
    if (this.#links.delete(this)) this.#keep(this.#request.will, true);
  }

  #keep({ topic, payload, retain, expirySeconds }: Message, isWill: boolean): void {
    const at = this.#world.clock.monotonicMs();
    this.#port.received.push({ topic, payload: payload.slice(), retain, expirySeconds, isWill, attempt: this.#attempt, at });
  }

  #afterTrip(task: () => void): void {
    this.#world.clock.after(this.#world.oneWayMs, task);
  }

  #close(cause: CloseCause): void {
    if (this.#here === "closed") return;
    const isAsked = this.#here === "ending";
    this.#here = "closed";
    this.#cancelTimeout();
    // The broker notices a little later, unless it knows already or has had our DISCONNECT.
    this.#afterTrip(() => this.#publishWill());
    this.#listener({ type: "closed", cause: isAsked ? { is: "asked" } : cause });
  }

  #emit(event: BrokerEvent): void {
    if (this.#here !== "closed") this.#listener(event);
  }
}
