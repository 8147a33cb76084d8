import type { Message } from "../core/anonymise/message.ts";
import { DAY_MS } from "../core/units/time.ts";
import type { NativeFormat } from "../formats/native.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import type { LostRange, Outbox } from "../ports/outbox.ts";
import type { Publisher } from "./publisher.ts";
import { STATUS_EVERY_S, type StatusDesk } from "./status.ts";

export interface TellerWorld {
  readonly clock: Clock;
  readonly events: Events;
  readonly outbox: Outbox;
  readonly desk: StatusDesk;
  /** How and through whom it is told: another one after a reload. */
  format(): NativeFormat;
  publisher(): Publisher;
  /** Told in one line how the node is, when that has changed: for who started it. */
  onTold?(says: string): void;
}

/** Decides when a status leaves, and says once what will never arrive. */
export class StatusTeller {
  readonly #world: TellerWorld;
  #said = "";
  #saidLocally = "";
  #saidMs = Number.NEGATIVE_INFINITY;
  /** Lost summaries that were said, by this run or an earlier one. What is read ahead is found lost before what is older. */
  #lost: readonly LostRange[];
  /** As many summaries of earlier instances were said. */
  #lostEarlier: number | null;
  #givenUp = 0;
  #lostAtMs = Number.NEGATIVE_INFINITY;

  constructor(world: TellerWorld) {
    this.#world = world;
    const { lost, lostEarlier } = world.outbox.standing();
    this.#lost = lost;
    this.#lostEarlier = lostEarlier;
  }

  /** A new status leaves every 300 s, and when something changed. */
  tell(): void {
    const { clock, desk } = this.#world;
    const publisher = this.#world.publisher();
    const { isUp, conn } = publisher.report;
    // Also while nobody listens: it is how the desk learns since when a problem has been there.
    const fingerprint = desk.fingerprint();
    if (fingerprint !== this.#saidLocally) this.#world.onTold?.(this.#line());
    this.#saidLocally = fingerprint;
    if (!isUp) return;
    if (fingerprint === this.#said && clock.monotonicMs() - this.#saidMs < STATUS_EVERY_S * 1_000) return;
    publisher.say(this.message(conn));
  }

  #line(): string {
    const { health, problems, sensors } = this.#world.desk.online("online", 0);
    const states = Object.values(sensors);
    const working = `${states.filter((state) => state === "ok").length} of ${states.length} sensors work`;
    const codes = problems.map(({ code, sensor }) => (sensor === null ? code : `${code} of ${sensor}`));
    return [`${health}, ${working}`, ...(codes.length === 0 ? [] : [codes.join(", ")])].join(": ");
  }

  /** The status of now, remembered as said. */
  message(conn: number): Message {
    const { clock, desk } = this.#world;
    this.#said = desk.fingerprint();
    this.#saidMs = clock.monotonicMs();
    return this.#world.format().status(desk.online("online", conn));
  }

  /** Whether this run gave summaries up within a day. */
  hasLost(): boolean {
    return this.#world.clock.monotonicMs() - this.#lostAtMs < DAY_MS;
  }

  /** Says once what will never arrive. True when something was given up since it was asked last: a meta may be among it. */
  tellLost(): boolean {
    const { clock, events, outbox } = this.#world;
    const { givenUp, lost, lostEarlier } = outbox.standing();
    const isNew = givenUp !== this.#givenUp;
    this.#givenUp = givenUp;
    for (const { fromSeq, toSeq, reason } of lost) {
      const said = this.#lost.find((range) => range.fromSeq <= fromSeq && fromSeq <= range.toSeq);
      if (said !== undefined && said.toSeq >= toSeq) continue;
      this.#lostAtMs = clock.monotonicMs();
      events.emit({ type: "SummariesLost", fromSeq: said === undefined ? fromSeq : said.toSeq + 1, toSeq, reason });
    }
    this.#lost = lost;
    if (lostEarlier !== this.#lostEarlier) {
      this.#lostEarlier = lostEarlier;
      this.#lostAtMs = clock.monotonicMs();
      events.emit({ type: "EarlierSummariesLost", total: lostEarlier });
    }
    return isNew;
  }
}
