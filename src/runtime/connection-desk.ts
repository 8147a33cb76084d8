import { type BrokerProblem, type ReasonCode, reasonName, reasonOf } from "../core/machine/reason-codes.ts";
import { failureRemedy } from "../core/residency/failure-remedies.ts";
import type { CloseCause } from "../ports/broker.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";

/** What `status` says about the connection. */
export interface ConnectionReport {
  readonly isUp: boolean;
  readonly conn: number;
  readonly address: string | null;
  /** Why there is none, or what the broker last refused. */
  readonly trouble: string | null;
  /** What to do about it. */
  readonly remedy: string | null;
  /** It is up, and for ten minutes nothing that waits was taken. */
  readonly takesNothing: boolean;
  /** Its code in `status`, beside BROKER_AWAY. */
  readonly problem: BrokerProblem | null;
  /** Whether somebody had subscribed to the last message that the broker took; null: not known. MQTT 3.1.1 does not tell. */
  readonly isHeard: boolean | null;
}

/** PUBACK 0x10, "No matching subscribers" (MQTT 5 §3.4.2.1). mosquitto before 2.0.20 may say it wrongly (its issue 3128). */
const NO_SUBSCRIBER = 0x10;

/** How long a problem stands after it was last seen: a node whose id is taken is connected half of the time. */
const PROBLEM_MS = 600_000;

const LINK = "look at the uplink, and whether the broker is up";
const CLOSES = [
  "look at the log of the broker: it closes whenever this message comes, which some do when a topic is not allowed",
  "The sensor waits a minute, others go on",
].join(". ");

/** Remembers what is wrong with the connection, and says it to the log with what to do. */
export class ConnectionDesk {
  readonly #clock: Clock;
  readonly #events: Events;
  #trouble: string | null = null;
  #remedy: string | null = null;
  #problem: BrokerProblem | null = null;
  #problemUntilMs = 0;
  #isHeard: boolean | null = null;

  constructor({ clock, events }: { readonly clock: Clock; readonly events: Events }) {
    this.#clock = clock;
    this.#events = events;
  }

  standing(): Pick<ConnectionReport, "trouble" | "remedy" | "problem" | "isHeard"> {
    const problem = this.#clock.monotonicMs() < this.#problemUntilMs ? this.#problem : null;
    return { trouble: this.#trouble, remedy: this.#remedy, problem, isHeard: this.#isHeard };
  }

  /** The broker answered for a message. */
  answered(reasonCode: number): void {
    if (reasonCode === 0 || reasonCode === NO_SUBSCRIBER) this.#isHeard = reasonCode === 0;
  }

  connected(address: string): void {
    this.#trouble = null;
    this.#remedy = null;
    // It refused to connect, and now it did not. That another has our id, or that a topic is not allowed, a connection does not disprove.
    if (this.#problem === "BROKER_REFUSES") this.#problem = null;
    this.#events.emit({ type: "BrokerConnected", address });
  }

  closed(cause: CloseCause): void {
    if (cause.is === "asked") return;
    const { detail, reason } = describe(cause);
    this.#trouble = detail === "" ? cause.is : `${cause.is}: ${detail}`;
    this.#remedy = reason?.remedy ?? (cause.is === "network" ? failureRemedy(cause.code) : null) ?? LINK;
    // Nothing is published while it refuses; why is the business of the code, and 0x87 here is about the whole node.
    this.#stands(cause.is === "refused" && reason?.problem === "NOT_AUTHORISED" ? "BROKER_REFUSES" : (reason?.problem ?? null));
    this.#events.emit({ type: "BrokerDisconnected", cause: cause.is, detail, remedy: this.#remedy });
  }

  /** A message is not taken now. Null: the broker closes instead of saying so. */
  delayed(reasonCode: number | null): void {
    const reason = reasonCode === null ? null : reasonOf(reasonCode);
    this.#trouble = reasonCode === null ? "closes-on-message" : reasonName(reasonCode);
    this.#remedy = reasonCode === null ? CLOSES : (reason?.remedy ?? LINK);
    this.#stands(reasonCode === null ? "NOT_AUTHORISED" : (reason?.problem ?? null));
    this.#events.emit({ type: "PublishDelayed", reason: this.#trouble, remedy: this.#remedy });
  }

  /** A message is never taken. */
  refused(seq: number | null, reasonCode: number): void {
    const remedy = reasonOf(reasonCode)?.remedy ?? LINK;
    this.#events.emit({ type: "PublishRefused", seq, reason: reasonName(reasonCode), remedy });
  }

  #stands(problem: BrokerProblem | null): void {
    if (problem === null) return;
    this.#problem = problem;
    this.#problemUntilMs = this.#clock.monotonicMs() + PROBLEM_MS;
  }
}

function describe(cause: CloseCause): { readonly detail: string; readonly reason: ReasonCode | null } {
  switch (cause.is) {
    case "refused":
    case "disconnected":
      return { detail: reasonName(cause.reasonCode), reason: reasonOf(cause.reasonCode) };
    case "network":
      return { detail: cause.code, reason: null };
    case "protocol":
      return { detail: cause.detail, reason: null };
    case "timeout":
    case "asked":
      return { detail: "", reason: null };
  }
}
