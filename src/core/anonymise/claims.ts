import { unreachable } from "../assert.ts";
import type { NoisedPolicy, StreamPlan } from "../reading/stream.ts";
import { epsilonText, MICRO_PER_EPSILON } from "../units/epsilon.ts";
import { BAY_SHARE_STEP, HOUSEHOLD_SHARE_MAX, HOUSEHOLDS_MIN } from "./group.ts";
import { privacyUnit } from "./noised.ts";

/** What may be said of a stream, in public and in documents. `id` stays the same when the wording is improved. */
export interface Claim {
  readonly id: "no-personal-data" | "event-privacy" | "noised" | "minimum-count" | "group-15-15" | "group-bays" | "stays";
  readonly text: string;
}

/** Above this, an event may be told apart too well for the strong word (privacy reference §3: epsilon per event up to 1). */
const STRONG_CLAIM_MICRO_MAX = MICRO_PER_EPSILON;
const percent = (share: number): string => `${Math.round(share * 100)} %`;

/**
 * The claim of a stream: the only place that may use the strong word, which is a legal one (recital 26 of the GDPR; Opinion 05/2014 of the
 * Article 29 working party). What counts is the budget of the account, not that of one stream: two streams tell about the same people.
 */
export function claimOf(stream: StreamPlan): Claim {
  const { policy } = stream;
  switch (policy.is) {
    case "open":
      return { id: "no-personal-data", text: "no personal data in the output" };
    case "noised":
      return noisedClaim(stream, policy);
    case "minimum-count":
      return { id: "minimum-count", text: `aggregated, minimum count ${policy.k}` };
    case "group":
      return groupClaim(stream, policy.members.length);
    case "withheld":
      return { id: "stays", text: "nothing of it leaves the node" };
    default:
      return unreachable(policy);
  }
}

function noisedClaim(stream: StreamPlan, { accountMicro }: NoisedPolicy): Claim {
  const unit = { detection: "passage", reading: "reading", identifier: "device and window" }[privacyUnit(stream)];
  const how = `event-level differential privacy, epsilon = ${epsilonText(accountMicro)} per ${unit}`;
  if (accountMicro > STRONG_CLAIM_MICRO_MAX) return { id: "noised", text: `noised statistics (${how})` };
  return { id: "event-privacy", text: `anonymous statistics (${how})` };
}

function groupClaim({ channel }: StreamPlan, members: number): Claim {
  if (channel.quantity === "bay_state") {
    return { id: "group-bays", text: `aggregated occupancy of ${members} parking bays, in steps of ${percent(BAY_SHARE_STEP)}` };
  }
  const rule = `${HOUSEHOLDS_MIN}/${Math.round(HOUSEHOLD_SHARE_MAX * 100)}`;
  return {
    id: "group-15-15",
    text: `aggregated data of ${members} households (${rule}: none has more than ${percent(HOUSEHOLD_SHARE_MAX)})`,
  };
}
