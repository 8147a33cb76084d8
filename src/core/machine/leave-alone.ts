import { unreachable } from "../assert.ts";
import { type Backoff, backoffMs } from "./backoff.ts";
import { returnAfter } from "./reason-codes.ts";

/** Why there is no connection: `CloseCause` of the broker port, as far as it matters here. */
export type Ending =
  | { readonly is: "refused" | "disconnected"; readonly reasonCode: number }
  | { readonly is: "network" | "protocol" | "timeout" | "asked" };

// How long at least, and how much more at most, by kind of return (reason-codes.ts).
const LATER: Backoff = { firstMs: 60_000, longestMs: 60_000 };
const RARELY: Backoff = { firstMs: 300_000, longestMs: 300_000 };
const TAKEN_OVER_MS = 180_000;
const TAKEN_OVER_JITTER_MS = 120_000;

/** How long the broker is left alone at least, after a connection ended so. `jitter` gives numbers in [0, 1). */
export function leaveAloneMs(cause: Ending, jitter: () => number): number {
  if (!("reasonCode" in cause)) return 0;
  const kind = returnAfter(cause.reasonCode);
  switch (kind) {
    case "soon":
      return 0;
    case "later":
      return backoffMs(LATER, 0, jitter());
    case "rarely":
      return backoffMs(RARELY, 0, jitter());
    case "taken-over":
      return TAKEN_OVER_MS + Math.round(TAKEN_OVER_JITTER_MS * jitter());
    default:
      return unreachable(kind);
  }
}
