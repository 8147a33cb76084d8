import { epochMs, monotonicMs } from "../../core/units/time.ts";
import type { CloseCause } from "../../ports/broker.ts";
import type { Clock } from "../../ports/clock.ts";
import { type ConnectAnswer, FakeBrokerPort, type PublishAnswer } from "../fake-broker-port.ts";
import type { Chance, Dice } from "./chance.ts";
import type { Fault, FaultKind } from "./faults.ts";
import type { Scenario } from "./scenario.ts";
import type { Timeline } from "./timeline.ts";

/** CONNACK codes that a broker refuses with (MQTT 5 §3.2.2.2): busy, unavailable, not authorised, bad password, rate. */
const REFUSALS = [0x88, 0x89, 0x87, 0x86, 0x9f, 0x97] as const;
/** DISCONNECT codes that a broker throws a client out with that did nothing wrong; 0x8e: somebody else has its name. */
const KICKS = [0x8b, 0x98, 0x89, 0x8e, 0x9d] as const;
const NETWORK = ["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "CERT_NOT_YET_VALID"] as const;
/** PUBACK codes that pass (MQTT 5 §3.4.2.1; reference mqtt-and-platforms B4): no subscribers, busy, quota, not authorised, unspecified. */
const PASSING = [0x10, 0x89, 0x97, 0x87, 0x80, 0x83] as const;
/** Codes that say that this message is never taken. */
const FINAL = [0x90, 0x95, 0x99] as const;
const LATE_MS_MAX = 20_000;

/** The way to the broker, and the broker: friendly, but for the faults that are on. */
export class Uplink {
  readonly port: FakeBrokerPort;
  readonly #dice: Dice;
  readonly #on = new Map<FaultKind, number>();

  constructor({ oneWayMs, receiveMaximum, packetBytesMax }: Scenario, chance: Chance, timeline: Timeline) {
    this.#dice = chance.of("uplink");
    const clock = worldClock(timeline);
    this.port = new FakeBrokerPort({ clock, oneWayMs, receiveMaximum, packetBytesMax });
    this.port.onConnect = () => this.#connect();
    this.port.onPublish = (_, { topic }) => this.#publish(topic);
  }

  /** Begins a fault of the uplink; gives what ends it. */
  begins({ kind, lot }: Fault): () => void {
    this.#on.set(kind, lot);
    if (kind === "network-away") this.port.closeAll({ is: "network", code: "ECONNRESET" });
    if (kind === "kick") this.port.closeAll({ is: "disconnected", reasonCode: KICKS[lot % KICKS.length] as number });
    return () => {
      if (this.#on.get(kind) === lot) this.#on.delete(kind);
    };
  }

  #connect(): ConnectAnswer {
    const refusal = this.#on.get("refuse-connect");
    if (refusal !== undefined) return failure({ is: "refused", reasonCode: REFUSALS[refusal % REFUSALS.length] as number });
    const away = this.#on.get("network-away");
    if (away !== undefined) return failure({ is: "network", code: NETWORK[away % NETWORK.length] as string });
    return this.#on.has("mute-connect") ? { is: "ignore" } : { is: "accept" };
  }

  #publish(topic: string): PublishAnswer {
    const dice = this.#dice;
    // A half-open link: nothing comes back, and what was sent may have arrived or not.
    if (this.#on.has("no-acks")) return { is: "withhold" };
    if (this.#on.has("cuts") && dice.percent(20)) return { is: "cut", kept: dice.percent(50) };
    const passing = this.#on.get("reason-codes");
    if (passing !== undefined && dice.percent(50))
      return { is: "acknowledge", reasonCode: PASSING[(passing + dice.below(2)) % PASSING.length] as number };
    const final = this.#on.get("refuse-for-good");
    if (final !== undefined && topic.endsWith("/summary") && dice.percent(30))
      return { is: "acknowledge", reasonCode: FINAL[final % FINAL.length] as number };
    if (this.#on.has("late-acks")) return { is: "acknowledge", lateMs: dice.below(LATE_MS_MAX) };
    if (this.#on.has("two-acks")) return { is: "acknowledge", times: 2 };
    return this.#on.has("twice") ? { is: "duplicate" } : { is: "acknowledge" };
  }
}

const failure = (cause: CloseCause): ConnectAnswer => ({ is: "fail", cause });

/** The clock of those who are not the node. */
const worldClock = (timeline: Timeline): Clock => ({
  bootId: "world",
  monotonicMs: () => monotonicMs(timeline.nowMs),
  monotonicNs: () => BigInt(timeline.nowMs) * 1_000_000n,
  wallMs: () => epochMs(timeline.nowMs),
  testimonies: () => Promise.resolve([]),
  after: (delayMs, task) => timeline.after(delayMs, task),
  breathe: () => Promise.resolve(),
});
