import { DAY_MS, type EpochMs } from "../units/time.ts";

/** From then on an end is a problem: time for a request, a signature and a visit (issue 4: 60 days). */
const AHEAD_MS = 60 * DAY_MS;

/** What is to be said about the end of a certificate. Without trusted time nothing is: the clock may be years off. */
export function expiryOf(ends: EpochMs | null, now: EpochMs | null): "expired" | "soon" | null {
  if (ends === null || now === null || ends - now > AHEAD_MS) return null;
  return ends <= now ? "expired" : "soon";
}

/** Verdicts of TLS that a wrong clock makes of a right certificate. */
const MADE_BY_CLOCKS: ReadonlySet<string> = new Set(["CERT_NOT_YET_VALID", "CERT_HAS_EXPIRED"]);

/**
 * How the failure of a connection is told. A node that nobody told the time says so, instead of blaming the broker; the check itself
 * stays, for a certificate that may have expired may also have been stolen.
 */
export const failureCode = (code: string, isClockTrusted: boolean): string =>
  !isClockTrusted && MADE_BY_CLOCKS.has(code) ? `${code}, clock not trusted` : code;
