import type { NodePlan } from "../config/plan.ts";
import type { DeliveryLimits } from "../core/machine/delivery-events.ts";
import { spreadMs } from "../core/machine/spread.ts";
import type { Crypto } from "../ports/crypto.ts";
import { departureRangeMs } from "./departures.ts";

/** How a publisher sends. */
export interface PublisherLimits extends DeliveryLimits {
  /** How long after it was made a summary leaves at the earliest: this node's own time, so that a city does not publish as one. */
  readonly departMs: number;
  /** How many stretches of rows may overtake those that wait; only tests say otherwise. */
  readonly aheadRangesMax?: number;
}

/** How the node of this plan sends. */
export function publisherLimits(plan: NodePlan, crypto: Pick<Crypto, "sha256">): PublisherLimits {
  const { inFlightMax, ackTimeoutMs, drainPerSecond, spreadMs: range } = plan.broker;
  const departMs = spreadMs(crypto.sha256(plan.node.id), departureRangeMs(plan));
  return { inFlightMax, ackTimeoutMs, perSecond: drainPerSecond, spreadMs: range, departMs };
}
