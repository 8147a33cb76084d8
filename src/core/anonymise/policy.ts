import type { Kind, Sensitivity } from "../reading/quantity.ts";
import type { Policy } from "../reading/stream.ts";

/** Placeholder until the config branch lands. */
export function policyProblem(kind: Kind, sensitivity: Sensitivity, policy: Policy): string | null {
  if (policy.is === "withheld") return null;
  if (policy.is === "open") return sensitivity === "environmental" ? null : "people";
  return sensitivity === "presence" && (kind === "passage" || kind === "speed") ? null : "no";
}
