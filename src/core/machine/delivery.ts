import { unreachable } from "../assert.ts";
import { type Backoff, backoffMs } from "./backoff.ts";

/** What a PUBACK reason code means for the row (MQTT 5 §3.4.2.1; reference mqtt-and-platforms B4). */
export type Verdict = "settled" | "retry" | "not-authorised" | "refused";

// 0x80 unspecified and 0x83 implementation specific may be about this very message: they are tried so often, then refused.
const UNSPECIFIED_ATTEMPTS_MAX = 10;

/** `attempts`: how often the row was answered with a failure so far. */
export function verdictOf(reasonCode: number, attempts: number): Verdict {
  switch (reasonCode) {
    case 0x00: // success
    case 0x10: // no matching subscribers: the broker has it
      return "settled";
    case 0x90: // topic name invalid
    case 0x95: // packet too large
    case 0x99: // payload format invalid
      return "refused";
    case 0x87: // not authorised
      return "not-authorised";
    case 0x80: // unspecified error
    case 0x83: // implementation specific error
      return attempts + 1 >= UNSPECIFIED_ATTEMPTS_MAX ? "refused" : "retry";
    default:
      return reasonCode < 0x80 ? "settled" : "retry";
  }
}

/** Name of a reason code that an operator can look up. */
export function reasonName(reasonCode: number): string {
  return REASON_NAMES[reasonCode] ?? `0x${reasonCode.toString(16).padStart(2, "0")}`;
}

// MQTT 5 §2.4, the codes that a publisher can meet.
const REASON_NAMES: Readonly<Record<number, string>> = {
  128: "unspecified-error",
  129: "malformed-packet",
  130: "protocol-error",
  131: "implementation-specific-error",
  132: "unsupported-protocol-version",
  133: "client-identifier-not-valid",
  134: "bad-user-name-or-password",
  135: "not-authorised",
  136: "server-unavailable",
  137: "server-busy",
  138: "banned",
  139: "server-shutting-down",
  141: "keep-alive-timeout",
  142: "session-taken-over",
  144: "topic-name-invalid",
  147: "receive-maximum-exceeded",
  149: "packet-too-large",
  150: "message-rate-too-high",
  151: "quota-exceeded",
  152: "administrative-action",
  153: "payload-format-invalid",
  154: "retain-not-supported",
  155: "qos-not-supported",
  156: "use-another-server",
  157: "server-moved",
  159: "connection-rate-exceeded",
};

/** A row that may be sent: its place in the queue, and how long its topic and payload are together. */
export interface Sendable {
  readonly position: number;
  readonly bytes: number;
}

export interface DeliveryLimits {
  /** The most messages in flight, whatever the broker allows. */
  readonly inFlightMax: number;
  readonly ackTimeoutMs: number;
}

export type DeliveryEvent<Row extends Sendable> =
  /** Sends nothing yet: what is to be said first follows as `urgent`. */
  | { readonly type: "connected"; readonly receiveMaximum: number; readonly packetBytesMax: number | null }
  /** `pauseMs`: how long to leave the broker alone at least. */
  | { readonly type: "disconnected"; readonly pauseMs: number }
  | { readonly type: "connectDue" }
  /** The next rows of the queue, ascending. */
  | { readonly type: "rows"; readonly rows: readonly Row[] }
  /**
   * A row that is not of the queue and goes first. Its position is negative, and less than that of any before it, whose place it
   * takes: the broker must be left with the last. It does not outlive the connection.
   */
  | { readonly type: "urgent"; readonly row: Row }
  | { readonly type: "acknowledged"; readonly position: number; readonly reasonCode: number }
  | { readonly type: "tick" };

export type DeliveryEffect<Row extends Sendable> =
  | { readonly type: "connect" }
  | { readonly type: "connectIn"; readonly delayMs: number }
  | { readonly type: "publish"; readonly row: Row }
  /** This row is done with: the broker has it, or will never take it. */
  | { readonly type: "settled"; readonly row: Row; readonly refusedWith: number | null }
  | { readonly type: "failure"; readonly position: number; readonly reasonCode: number }
  /** No PUBACK in time: this connection is not to be trusted any more. */
  | { readonly type: "cut" };

const CONNECT: Backoff = { firstMs: 1_000, longestMs: 300_000 };
const RESEND: Backoff = { firstMs: 1_000, longestMs: 60_000 };
// An ACL may be mended without us: asking once a minute is enough.
const NOT_AUTHORISED_MS = 60_000;
// What a PUBLISH has besides topic and payload: fixed header 5, topic length 2, packet id 2, property length 4, content type 19,
// payload format 2, expiry 5 (MQTT 5 §3.3).
const PACKET_OVERHEAD_BYTES = 39;
/** A connection that held this long was a good one: backoff starts anew. */
const STABLE_MS = 30_000;
/** PACKET TOO LARGE, MQTT 5 §2.4. */
const TOO_LARGE = 0x95;

interface InFlight<Row> {
  readonly row: Row;
  readonly sentAtMs: number;
}

/**
 * Decides what is sent when: one message in, one out (never a burst, since Nagle against delayed ACK costs a factor of ten),
 * never more in flight than broker and operator allow, in the order of the queue, again after a failure, and after a cut all that
 * was not acknowledged. It performs nothing: the caller carries the effects out, in order.
 */
export class Delivery<Row extends Sendable> {
  readonly #limits: DeliveryLimits;
  readonly #jitter: () => number;
  readonly #inFlight = new Map<number, InFlight<Row>>();
  readonly #attempts = new Map<number, number>();
  /** Rows at hand, ascending by position. */
  #waiting: Row[] = [];
  #window = 0;
  #packetBytesMax: number | null = null;
  #newestUrgent = 0;
  #up = false;
  #upSinceMs = 0;
  #connectAttempts = 0;
  #failures = 0;
  #pausedUntilMs = 0;

  constructor(limits: DeliveryLimits, jitter: () => number) {
    this.#limits = limits;
    this.#jitter = jitter;
  }

  /** How many more rows to fetch: none while a window of them is at hand, so that they are read some at a time. */
  get appetite(): number {
    return this.#up && this.#waiting.length < this.#window ? this.#window * 2 - this.#waiting.length : 0;
  }

  get isUp(): boolean {
    return this.#up;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Whether nothing is at hand and nothing in flight. */
  get isIdle(): boolean {
    return this.#inFlight.size === 0 && this.#waiting.length === 0;
  }

  handle(event: DeliveryEvent<Row>, nowMs: number): readonly DeliveryEffect<Row>[] {
    switch (event.type) {
      case "connected":
        this.#up = true;
        this.#upSinceMs = nowMs;
        this.#window = Math.max(1, Math.min(this.#limits.inFlightMax, event.receiveMaximum));
        this.#packetBytesMax = event.packetBytesMax;
        return [];
      case "disconnected":
        return this.#down(event.pauseMs, nowMs);
      case "connectDue":
        return this.#up ? [] : [{ type: "connect" }];
      case "rows":
        this.#waiting.push(...event.rows);
        return this.#refill(nowMs);
      case "urgent":
        this.#newestUrgent = event.row.position;
        this.#putBack([event.row]);
        return this.#refill(nowMs);
      case "acknowledged":
        return this.#answered(event.position, event.reasonCode, nowMs);
      case "tick":
        return this.#overdue(nowMs) ? [{ type: "cut" }] : this.#refill(nowMs);
      default:
        return unreachable(event);
    }
  }

  #down(pauseMs: number, nowMs: number): readonly DeliveryEffect<Row>[] {
    if (this.#up && nowMs - this.#upSinceMs >= STABLE_MS) this.#connectAttempts = 0;
    this.#up = false;
    const unanswered = [...this.#inFlight.values()].map(({ row }) => row);
    this.#inFlight.clear();
    this.#putBack(unanswered);
    this.#waiting = this.#waiting.filter(({ position }) => position >= 0);
    for (const position of this.#attempts.keys()) if (position < 0) this.#attempts.delete(position);
    this.#pausedUntilMs = 0;
    const delayMs = Math.max(pauseMs, backoffMs(CONNECT, this.#connectAttempts, this.#jitter()));
    this.#connectAttempts++;
    return [{ type: "connectIn", delayMs }];
  }

  #answered(position: number, reasonCode: number, nowMs: number): readonly DeliveryEffect<Row>[] {
    const sent = this.#inFlight.get(position);
    if (sent === undefined) return []; // a second PUBACK for the same packet, or one of an older connection
    this.#inFlight.delete(position);
    const attempts = this.#attempts.get(position) ?? 0;
    const verdict = verdictOf(reasonCode, attempts);
    if (verdict === "settled" || verdict === "refused") {
      this.#attempts.delete(position);
      if (verdict === "settled") this.#failures = 0;
      return [{ type: "settled", row: sent.row, refusedWith: verdict === "refused" ? reasonCode : null }, ...this.#refill(nowMs)];
    }
    this.#attempts.set(position, attempts + 1);
    this.#putBack([sent.row]);
    this.#pause(verdict === "not-authorised", nowMs);
    return [{ type: "failure", position, reasonCode }];
  }

  /** A broker that has enough says so to everything in flight: that is one failure, not one for each. */
  #pause(isNotAuthorised: boolean, nowMs: number): void {
    const isPaused = nowMs < this.#pausedUntilMs;
    if (isPaused && !isNotAuthorised) return;
    const pauseMs = isNotAuthorised ? NOT_AUTHORISED_MS : backoffMs(RESEND, this.#failures, this.#jitter());
    if (!isPaused) this.#failures++;
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + pauseMs);
  }

  #refill(nowMs: number): readonly DeliveryEffect<Row>[] {
    if (!this.#up || nowMs < this.#pausedUntilMs) return [];
    const effects: DeliveryEffect<Row>[] = [];
    while (this.#inFlight.size < this.#window) {
      const row = this.#waiting.shift();
      if (row === undefined) break;
      if (this.#packetBytesMax !== null && row.bytes + PACKET_OVERHEAD_BYTES > this.#packetBytesMax) {
        this.#attempts.delete(row.position);
        effects.push({ type: "settled", row, refusedWith: TOO_LARGE });
        continue;
      }
      this.#inFlight.set(row.position, { row, sentAtMs: nowMs });
      effects.push({ type: "publish", row });
    }
    return effects;
  }

  #overdue(nowMs: number): boolean {
    for (const { sentAtMs } of this.#inFlight.values()) return nowMs - sentAtMs >= this.#limits.ackTimeoutMs; // the first is the oldest
    return false;
  }

  #putBack(rows: readonly Row[]): void {
    if (rows.length === 0) return;
    this.#waiting = [...rows, ...this.#waiting]
      .filter(({ position }) => position >= 0 || position === this.#newestUrgent)
      .sort((a, b) => a.position - b.position);
  }
}
