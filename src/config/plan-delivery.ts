import { type DurationMs, durationMs, SECOND_MS } from "../core/units/time.ts";
import { readBrokerUrl } from "./broker-url.ts";
import type { BrokerPlan } from "./plan.ts";
import type { PlanReport } from "./plan-report.ts";
import type { NodeConfig } from "./schema.ts";

/** Messages a second that a backlog takes at least, where the file does not say: what brokers with a quota let pass (reference B3). */
const DRAIN_PER_SECOND_MIN = 20;
/** The backlog must shrink while new summaries come: half of the rate is for it at least, three quarters where nothing is said. */
const DRAIN_TIMES_MIN = 2;
const DRAIN_TIMES = 4;
/** Over how long a street comes back, where the file does not say: at most 1.7 % of the nodes in a second, on average. */
const SPREAD_MS = durationMs(60_000);

const NOT_PROMISED = [
  "is 4 (MQTT 3.1.1), which cannot say no: what the broker refuses is acknowledged or ends the connection, and may be lost unseen",
  "the broker's limits are not known",
  "and the status of a node that is gone never expires. Use 5 where the broker knows it",
].join("; ");

/** How fast and when the node sends. A broker on this machine has nobody to share it with: no limit and no spread, unless asked for. */
export function planDelivery(
  { broker }: NodeConfig,
  streams: readonly { readonly windowMs: DurationMs }[],
  report: PlanReport,
): Pick<BrokerPlan, "drainPerSecond" | "spreadMs"> {
  const url = readBrokerUrl(broker.url);
  const isLocal = url.is === "ok" && url.loopback;
  // Who runs the broker on this machine sees its log.
  if (broker.protocol === 4 && !isLocal) report.warning(["broker", "protocol"], NOT_PROMISED);
  const madePerSecond = streams.reduce((sum, { windowMs }) => sum + SECOND_MS / windowMs, 0);
  const { drainRate } = broker;
  if (drainRate !== undefined && drainRate < DRAIN_TIMES_MIN * madePerSecond) {
    const least = Math.ceil(DRAIN_TIMES_MIN * madePerSecond);
    report.warning(
      ["broker", "drainRate"],
      `is too low to catch up: this file makes ${madePerSecond.toFixed(1)} a second; use ${least} or more`,
    );
  }
  const usual = isLocal ? null : Math.max(DRAIN_PER_SECOND_MIN, Math.ceil(DRAIN_TIMES * madePerSecond));
  return { drainPerSecond: drainRate ?? usual, spreadMs: broker.spread ?? (isLocal ? durationMs(0) : SPREAD_MS) };
}
