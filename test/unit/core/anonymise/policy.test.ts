import { describe, expect, it } from "vitest";
import { MINIMUM_COUNT_DEFAULT, MINIMUM_COUNT_FLOOR, policiesOf, policyProblem } from "../../../../src/core/anonymise/policy.ts";
import { type Kind, SENSITIVITIES } from "../../../../src/core/reading/quantity.ts";
import type { PolicyName } from "../../../../src/core/reading/stream.ts";

const KINDS: readonly Kind[] = ["gauge", "level", "direction", "counter", "state", "passage", "speed", "identity"];
const POLICIES: readonly PolicyName[] = ["open", "noised", "minimum-count", "withheld"];

/** CONTRACT §1, written out: what may leave, besides `withheld`, which everything can be. */
const MAY_LEAVE = [
  ...["gauge", "level", "direction", "counter", "state"].map((kind) => `${kind} environmental open`),
  "passage presence noised",
  "speed presence noised",
  "counter presence noised",
  ...SENSITIVITIES.map((sensitivity) => `identity ${sensitivity} noised`),
  "passage presence minimum-count",
  "speed presence minimum-count",
];

const product = KINDS.flatMap((kind) => SENSITIVITIES.flatMap((sensitivity) => POLICIES.map((policy) => ({ kind, sensitivity, policy }))));

describe("the table of kind and policy", () => {
  it.each(product)("$kind, $sensitivity, $policy: as the contract says", ({ kind, sensitivity, policy }) => {
    const allowed = policy === "withheld" || MAY_LEAVE.includes(`${kind} ${sensitivity} ${policy}`);
    const problem = policyProblem(kind, sensitivity, policy);
    expect(problem === null).toBe(allowed);
    if (problem !== null) expect(problem).toContain(`allowed is ${policiesOf(kind, sensitivity).join(" or ")}`);
  });

  it("withholds whatever stems from people unless told otherwise", () => {
    for (const kind of KINDS) {
      expect(policiesOf(kind, "presence")[0]).toBe("withheld");
      expect(policiesOf(kind, "identifying")).toEqual(kind === "identity" ? ["withheld", "noised"] : ["withheld"]);
    }
  });

  it("has a default count that is not below its floor", () => {
    expect(MINIMUM_COUNT_DEFAULT).toBe(10);
    expect(MINIMUM_COUNT_FLOOR).toBe(5);
  });
});
