import { measure } from "../child.ts";
import type { DrainInput, DrainRound } from "../children/drain.ts";
import { median } from "../figures.ts";
import type { Row } from "../row.ts";

const REACH = 0.5;

/** Emptying an outbox that has filled up. */
export const drainRow: Row = {
  name: "drain",
  what: "draining the outbox, window 20, mosquitto with set_tcp_nodelay",
  reach: `>= ${REACH} x`,
  against: "bare MQTT.js QoS 1 publishes, the same window, broker and payloads",
  async run(effort) {
    const input: DrainInput = {
      brokerConfig: ["allow_anonymous true", "set_tcp_nodelay true"],
      inFlightMax: 20,
      messages: effort.of(10_000, 2_000),
      rounds: effort.of(9, 2),
    };
    const { rounds, payloadBytes } = await measure<{ rounds: readonly DrainRound[]; payloadBytes: number }>("drain", input);
    const ratio = median(rounds.map(({ drainPerSecond, barePerSecond }) => drainPerSecond / barePerSecond));
    const rate = (values: readonly number[]): string => `${(median(values) / 1_000).toFixed(1)} k summaries/s`;
    return {
      measured: rate(rounds.map(({ drainPerSecond }) => drainPerSecond)),
      baseline: rate(rounds.map(({ barePerSecond }) => barePerSecond)),
      ratio,
      isReached: ratio >= REACH,
      details: { ...input, payloadBytes, rounds },
    };
  },
};
