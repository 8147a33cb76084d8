import type { Kind, Sensitivity } from "../reading/quantity.ts";
import type { PolicyName } from "../reading/stream.ts";

/** Cells with fewer detections than this are withheld, where the operator names no `k` (privacy reference §3: default 10). */
export const MINIMUM_COUNT_DEFAULT = 10;
/** The least `k` an operator may choose (CONTRACT §1). */
export const MINIMUM_COUNT_FLOOR = 5;

/** Kinds whose statistics may leave as they are when nobody causes them. */
const OPEN_KINDS: readonly Kind[] = ["gauge", "level", "direction", "counter", "state"];
/** Kinds that fall apart into cells or bins, each of which stands or falls by its own count. */
const COUNTED_KINDS: readonly Kind[] = ["passage", "speed"];

/** Kinds that can be noised: one event moves them by a known amount at most. A counter needs a declared bound for that. */
const NOISED_KINDS: readonly Kind[] = ["passage", "speed", "counter"];

/** The policies that a stream of one sensor may have, by kind and sensitivity (CONTRACT §1); the first is its default. */
export function policiesOf(kind: Kind, sensitivity: Sensitivity): readonly PolicyName[] {
  if (sensitivity === "environmental" && OPEN_KINDS.includes(kind)) return ["open", "withheld"];
  // How many different identifiers there were is no identifier; anything else that is made of one is.
  if (kind === "identity") return ["withheld", "noised"];
  if (sensitivity !== "presence" || !NOISED_KINDS.includes(kind)) return ["withheld"];
  return COUNTED_KINDS.includes(kind) ? ["withheld", "noised", "minimum-count"] : ["withheld", "noised"];
}

/** Why a stream of this kind and sensitivity cannot have this policy, or null when it can. */
export function policyProblem(kind: Kind, sensitivity: Sensitivity, policy: PolicyName): string | null {
  const allowed = policiesOf(kind, sensitivity);
  if (allowed.includes(policy)) return null;
  return `"${policy}" ${limitOf(policy)}; this one is ${sensitivity} of kind ${kind}: allowed is ${allowed.join(" or ")}`;
}

function limitOf(policy: PolicyName): string {
  if (policy === "open") return `is for environmental channels of kind ${OPEN_KINDS.join(", ")}`;
  if (policy === "noised") return `is for presence channels of kind ${NOISED_KINDS.join(", ")}, and for distinct counts`;
  if (policy === "minimum-count") return `is for presence channels of kind ${COUNTED_KINDS.join(" and ")}`;
  return "is for every channel";
}
