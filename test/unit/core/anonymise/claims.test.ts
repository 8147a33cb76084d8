import { describe, expect, it } from "vitest";
import { claimOf } from "../../../../src/core/anonymise/claims.ts";
import type { Policy } from "../../../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../../../src/core/units/epsilon.ts";
import { sensorId, streamId } from "../../../../src/core/units/ids.ts";
import { channelPlan, PASSAGES, streamPlan } from "../../../support/plans.ts";

const noised = (own: number, account: number): Policy => ({
  is: "noised",
  epsilonMicro: epsilonMicro(own),
  accountMicro: epsilonMicro(account),
  bound: null,
});
const members = (count: number): Policy => ({
  is: "group",
  members: Array.from({ length: count }, (_, index) => streamId(sensorId(`m-${index}`), "s")),
});
const ENERGY = channelPlan({ name: "energy", quantity: "energy", kind: "counter", sensitivity: "identifying" });
const BAY = channelPlan({ name: "state", quantity: "bay_state", kind: "state", sensitivity: "presence" });

/** Privacy reference §3, the wording that is allowed. */
describe("what may be said of a stream", () => {
  it.each([
    ["open", streamPlan(), "no-personal-data", "no personal data in the output"],
    [
      "noised, 1 in all",
      streamPlan(PASSAGES, { policy: noised(600_000, 1_000_000) }),
      "event-privacy",
      "anonymous statistics (event-level differential privacy, epsilon = 1 per passage)",
    ],
    [
      "noised, more than 1 in all, however little of it is its own",
      streamPlan(PASSAGES, { policy: noised(100_000, 1_000_001) }),
      "noised",
      "noised statistics (event-level differential privacy, epsilon = 1.000001 per passage)",
    ],
    ["minimum-count", streamPlan(PASSAGES, { policy: { is: "minimum-count", k: 12 } }), "minimum-count", "aggregated, minimum count 12"],
    [
      "households",
      streamPlan(ENERGY, { policy: members(16) }),
      "group-15-15",
      "aggregated data of 16 households (15/15: none has more than 15 %)",
    ],
    ["bays", streamPlan(BAY, { policy: members(40) }), "group-bays", "aggregated occupancy of 40 parking bays, in steps of 5 %"],
    ["withheld", streamPlan(PASSAGES, { policy: { is: "withheld" } }), "stays", "nothing of it leaves the node"],
  ] as const)("%s", (_, stream, id, text) => {
    expect(claimOf(stream)).toEqual({ id, text });
  });

  it("uses the strong word for noise alone", () => {
    const others = [
      streamPlan(),
      streamPlan(PASSAGES),
      streamPlan(ENERGY, { policy: members(20) }),
      streamPlan(BAY, { policy: members(20) }),
    ];
    for (const stream of others) expect(claimOf(stream).text).not.toContain("anonymous");
  });
});
