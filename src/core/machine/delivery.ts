import { unreachable } from "../assert.ts";
import { type Backoff, backoffMs, fullJitterMs } from "./backoff.ts";
import type { DeliveryEffect, DeliveryEvent, DeliveryLimits, Sendable } from "./delivery-events.ts";
import { Holds } from "./holds.ts";
import { insert, isAmong } from "./in-order.ts";
import { type Ending, leaveAloneMs } from "./leave-alone.ts";
import { isUnspecific, reasonOf, type Verdict, verdictOf } from "./reason-codes.ts";
import { Refusals } from "./refusals.ts";
import { Suspects } from "./suspects.ts";
import { TokenBucket } from "./token-bucket.ts";

const CONNECT_FIRST_MS = 1_000;
const CONNECT_LONGEST_MS = 300_000;
const RESEND: Backoff = { firstMs: 1_000, longestMs: 60_000 };
/** How long no status is tried after it broke the connection: rows leave meanwhile. */
const STATUS_BARRED_MS = 600_000;
// What a PUBLISH has besides topic and payload: fixed header 5, topic length 2, packet id 2, property length 4, content type 19,
// payload format 2, expiry 5 (MQTT 5 §3.3).
const PACKET_OVERHEAD_BYTES = 39;
/** A connection that held this long was a good one: backoff starts anew. */
const STABLE_MS = 30_000;
/** After so many answers that only told to wait, the next row may be of another lane. */
const FAILURES_IN_A_ROW = 3;
/** So many rows are found too long at once, and then after a pause: thousands together would keep the node from everything else. */
const TOO_LONG_AT_ONCE_MAX = 20;
const TOO_LONG_PAUSE_MS = 50;
/** PACKET TOO LARGE, MQTT 5 §2.4. */
const TOO_LARGE = 0x95;
/** The number under which `Suspects` knows a row: every status has the same. */
const suspectOf = ({ position }: Sendable): number => Math.max(position, -1);

/**
 * Decides what is sent when: one message in, one out (never a burst, since Nagle against delayed ACK costs a factor of ten),
 * never more in flight than broker and operator allow, in the order of the queue, again after a failure, and after a cut all that
 * was not acknowledged. It performs nothing: the caller carries the effects out, in order.
 */
export class Delivery<Row extends Sendable> {
  readonly #limits: DeliveryLimits;
  readonly #connect: Backoff;
  readonly #jitter: () => number;
  /**
   * In the order of sending. A list, for a Map that is filled and emptied without an end is a chain of tables, of which a dead one in V8's
   * old generation keeps the next: everything that was ever under way then waits for a full collection.
   */
  #inFlight: { readonly row: Row; readonly sentAtMs: number }[] = [];
  readonly #bucket: TokenBucket;
  readonly #suspects = new Suspects();
  readonly #refusals = new Refusals();
  readonly #holds = new Holds();
  /** Rows at hand, ascending by position. */
  #waiting: Row[] = [];
  #window = 0;
  #packetBytesMax: number | null = null;
  #newestUrgent = 0;
  #statusBarredUntilMs = 0;
  #up = false;
  #upSinceMs = 0;
  #connectAttempts = 0;
  #failures = 0;
  #pausedUntilMs = 0;

  constructor(limits: DeliveryLimits, jitter: () => number) {
    this.#limits = limits;
    this.#connect = { firstMs: Math.max(CONNECT_FIRST_MS, limits.spreadMs), longestMs: CONNECT_LONGEST_MS };
    this.#jitter = jitter;
    this.#bucket = new TokenBucket(limits.perSecond);
  }

  /**
   * How many more rows to fetch: none while half a window of them is at hand, so that they are read some at a time; then no more than a
   * window, so that they are gone before V8 takes them for rows that stay: with twice as many it does so for three times the bytes.
   */
  get appetite(): number {
    const ready = this.#waiting.length - this.#holds.countIn(this.#waiting);
    return this.#up && ready <= this.#window / 2 && !this.#holds.isFullWith(this.#waiting) ? this.#window - ready : 0;
  }

  /** Whether rows of this lane wait, because the broker does not let them. */
  isHeld(lane: string): boolean {
    return this.#holds.isHeld(lane);
  }

  /** Whether the row is at hand or in flight. */
  has(position: number): boolean {
    return this.#inFlight.some(({ row }) => row.position === position) || isAmong(this.#waiting, position);
  }

  /** Whether rows of this lane are at hand or in flight. */
  hasLane(lane: string): boolean {
    return this.#inFlight.some(({ row }) => row.lane === lane) || this.#waiting.some((row) => row.lane === lane);
  }

  get isUp(): boolean {
    return this.#up;
  }

  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** Nothing is at hand and nothing in flight. */
  get isIdle(): boolean {
    return this.#inFlight.length === 0 && this.#waiting.length === 0;
  }

  /** Nothing is in flight, and nothing at hand but what the broker would not let go while it took others. */
  get isLeftWithBarred(): boolean {
    return this.#inFlight.length === 0 && this.#waiting.every((row) => this.#holds.isBarred(row));
  }

  handle(event: DeliveryEvent<Row>, nowMs: number): readonly DeliveryEffect<Row>[] {
    switch (event.type) {
      case "connected":
        this.#up = true;
        this.#upSinceMs = nowMs;
        this.#window = Math.max(1, Math.min(this.#limits.inFlightMax, event.receiveMaximum));
        this.#packetBytesMax = event.packetBytesMax;
        this.#holds.connected(nowMs);
        return [];
      case "disconnected":
        return this.#down(event.cause, nowMs);
      case "connectDue":
        return this.#up ? [] : [{ type: "connect" }];
      case "rows":
        this.#putBack(event.rows);
        return this.#refill(nowMs);
      case "urgent":
        if (nowMs < this.#statusBarredUntilMs) return [];
        this.#newestUrgent = event.row.position;
        this.#putBack([event.row]);
        return this.#refill(nowMs);
      case "acknowledged":
        return this.#answered(event.position, event.reasonCode, nowMs);
      case "gone":
        return this.#forget(event.upTo, nowMs);
      case "absent":
        this.#landed(event.position);
        this.#left(event.position);
        return this.#refill(nowMs);
      case "tick":
        return this.#overdue(nowMs) ? [{ type: "cut" }] : this.#refill(nowMs);
      default:
        return unreachable(event);
    }
  }

  #forget(upTo: number, nowMs: number): readonly DeliveryEffect<Row>[] {
    const isGone = ({ position }: Row): boolean => position >= 0 && position <= upTo;
    const gone = this.#waiting.filter(isGone);
    if (gone.length > 0) this.#waiting = this.#waiting.filter((row) => !isGone(row));
    for (const { position } of gone) this.#left(position);
    return this.#refill(nowMs);
  }

  #left(position: number): void {
    this.#holds.left({ position });
    this.#refusals.left(position);
  }

  #down(cause: Ending, nowMs: number): readonly DeliveryEffect<Row>[] {
    if (this.#up && nowMs - this.#upSinceMs >= STABLE_MS) this.#connectAttempts = 0;
    this.#up = false;
    const unanswered = this.#inFlight.map(({ row }) => row);
    this.#inFlight = [];
    const verdict = this.#judged(unanswered, cause, nowMs);
    this.#putBack(unanswered.filter((row) => !verdict.some((effect) => effect.type === "settled" && effect.row === row)));
    this.#waiting = this.#waiting.filter(({ position }) => position >= 0);
    this.#pausedUntilMs = 0;
    const delayMs = Math.max(leaveAloneMs(cause, this.#jitter), fullJitterMs(this.#connect, this.#connectAttempts, this.#jitter()));
    this.#connectAttempts++;
    return [...verdict, { type: "connectIn", delayMs }];
  }

  /** What the end of a connection says about the rows that were under way. */
  #judged(unanswered: readonly Row[], cause: Ending, nowMs: number): readonly DeliveryEffect<Row>[] {
    const code = "reasonCode" in cause && reasonOf(cause.reasonCode)?.blames === true ? cause.reasonCode : null;
    const finding = this.#suspects.broke(unanswered.map(suspectOf), code !== null);
    const [row] = unanswered;
    if (finding === "innocent" || row === undefined) return [];
    this.#suspects.clear(suspectOf(row));
    if (row.position < 0) {
      this.#statusBarredUntilMs = nowMs + STATUS_BARRED_MS;
      return [{ type: "failure", row, reasonCode: code }];
    }
    return [code === null ? this.#held(row, null, nowMs) : this.#refused(row, code, nowMs, true)];
  }

  /** Set aside for good. As long as it is not certain that the refusal is about this row, it waits until another was taken, or a minute. */
  #refused(row: Row, reasonCode: number, nowMs: number, breaks = false): DeliveryEffect<Row> {
    if (!this.#refusals.isBelieved(row, nowMs)) {
      this.#holds.holdRow(row, nowMs, breaks);
      return { type: "failure", row, reasonCode };
    }
    this.#refusals.refused(row);
    this.#holds.left(row);
    return { type: "settled", row, refusedWith: reasonCode };
  }

  /** Its lane waits a minute. `reasonCode`: null when the broker closed the connection because of it. */
  #held(row: Row, reasonCode: number | null, nowMs: number): DeliveryEffect<Row> {
    this.#holds.hold(row, nowMs, reasonCode === null);
    return { type: "failure", row, reasonCode };
  }

  #answered(position: number, reasonCode: number, nowMs: number): readonly DeliveryEffect<Row>[] {
    const row = this.#landed(position);
    if (row === undefined) return []; // a second PUBACK for the same packet, or one of an older connection
    this.#suspects.clear(suspectOf(row));
    if (position < 0) return this.#statusAnswered(row, reasonCode, nowMs);
    const verdict = verdictOf(reasonCode, this.#refusals.failures(position));
    if (verdict === "settled") {
      this.#failures = 0;
      this.#refusals.taken(row, nowMs);
      this.#holds.taken(row);
      this.#holds.freeRows();
      return [{ type: "settled", row, refusedWith: null }, ...this.#refill(nowMs)];
    }
    const effect = this.#setBack(row, verdict, reasonCode, nowMs);
    if (effect.type === "failure") this.#putBack([row]);
    return [effect, ...this.#refill(nowMs)];
  }

  /** Takes the row out of those under way. */
  #landed(position: number): Row | undefined {
    const index = this.#inFlight.findIndex(({ row }) => row.position === position);
    return index < 0 ? undefined : this.#inFlight.splice(index, 1)[0]?.row;
  }

  #setBack(row: Row, verdict: Exclude<Verdict, "settled">, reasonCode: number, nowMs: number): DeliveryEffect<Row> {
    if (verdict === "refused") return this.#refused(row, reasonCode, nowMs);
    // An ACL may be mended without us; it is about this topic, and the others can go on.
    if (verdict === "not-authorised") return this.#held(row, reasonCode, nowMs);
    if (isUnspecific(reasonCode)) this.#refusals.failed(row.position);
    else if (this.#refusals.toldToWait(row.position)) return this.#held(row, reasonCode, nowMs);
    // Nothing was taken meanwhile. If it is this one, the others must get their turn.
    if (this.#failures >= FAILURES_IN_A_ROW) this.#holds.yieldTurn(row, nowMs);
    this.#pause(nowMs);
    return { type: "failure", row, reasonCode };
  }

  /** A newer one says it anew: it is never tried again as it is, unless the broker says no to everything for now. */
  #statusAnswered(row: Row, reasonCode: number, nowMs: number): readonly DeliveryEffect<Row>[] {
    const verdict = verdictOf(reasonCode, 0);
    if (verdict === "settled" || verdict === "refused") {
      const refusedWith = verdict === "refused" ? reasonCode : null;
      return [{ type: "settled", row, refusedWith }, ...this.#refill(nowMs)];
    }
    this.#putBack([row]);
    if (verdict === "retry") this.#pause(nowMs);
    else this.#holds.hold(row, nowMs, false);
    return [{ type: "failure", row, reasonCode }, ...this.#refill(nowMs)];
  }

  /** A broker that has enough says so to everything in flight: that is one failure, not one for each. */
  #pause(nowMs: number): void {
    if (nowMs < this.#pausedUntilMs) return;
    this.#pausedUntilMs = nowMs + backoffMs(RESEND, this.#failures, this.#jitter());
    this.#failures++;
  }

  #refill(nowMs: number): readonly DeliveryEffect<Row>[] {
    if (!this.#up || nowMs < this.#pausedUntilMs) return [];
    const effects: DeliveryEffect<Row>[] = [];
    let tooLong = 0;
    while (this.#inFlight.length < this.#window && !this.#isSuspectAlone()) {
      const index = this.#holds.nextIn(this.#waiting, nowMs);
      const row = this.#waiting[index];
      if (row === undefined) break;
      const isTooLong = this.#packetBytesMax !== null && row.bytes + PACKET_OVERHEAD_BYTES > this.#packetBytesMax;
      if (isTooLong && ++tooLong > TOO_LONG_AT_ONCE_MAX) {
        effects.push({ type: "tickIn", delayMs: TOO_LONG_PAUSE_MS });
        break;
      }
      if (!isTooLong) {
        if (this.#inFlight.length > 0 && this.#suspects.mustBeAlone(suspectOf(row))) break;
        const waitMs = row.position < 0 ? 0 : this.#bucket.waitMs(nowMs);
        if (waitMs > 0) {
          effects.push({ type: "tickIn", delayMs: waitMs });
          break;
        }
      }
      const effect = isTooLong ? this.#tooLong(row, nowMs) : this.#sent(row, nowMs);
      if (effect.type !== "failure") this.#waiting.splice(index, 1);
      effects.push(effect);
    }
    return effects;
  }

  #sent(row: Row, nowMs: number): DeliveryEffect<Row> {
    if (row.position >= 0) this.#bucket.take();
    this.#inFlight.push({ row, sentAtMs: nowMs });
    return { type: "publish", row };
  }

  #tooLong(row: Row, nowMs: number): DeliveryEffect<Row> {
    return row.position < 0 ? { type: "settled", row, refusedWith: TOO_LARGE } : this.#refused(row, TOO_LARGE, nowMs);
  }

  /** Whether the one row in flight is one that must be alone. */
  #isSuspectAlone(): boolean {
    const [first, second] = this.#inFlight;
    return first !== undefined && second === undefined && this.#suspects.mustBeAlone(suspectOf(first.row));
  }

  #overdue(nowMs: number): boolean {
    const [oldest] = this.#inFlight;
    return oldest !== undefined && nowMs - oldest.sentAtMs >= this.#limits.ackTimeoutMs;
  }

  #putBack(rows: readonly Row[]): void {
    insert(this.#waiting, rows);
    if (rows.some(({ position }) => position < 0))
      this.#waiting = this.#waiting.filter(({ position }) => position >= 0 || position === this.#newestUrgent);
  }
}
