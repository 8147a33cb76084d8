import { describe, expect, it } from "vitest";
import { failureCode } from "../../../src/core/residency/certificate-dates.ts";
import { failureRemedy } from "../../../src/core/residency/failure-remedies.ts";
import { DAY_MS, type EpochMs, epochMs, HOUR_MS } from "../../../src/core/units/time.ts";
import type { IdentityFacts } from "../../../src/ports/tls-identity.ts";
import { IdentityWatch } from "../../../src/runtime/identity-watch.ts";
import { TimeDesk } from "../../../src/runtime/time-desk.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { RecordingEvents } from "../../support/recording-events.ts";

async function watched(first: (now: EpochMs) => IdentityFacts, isTrusted = true) {
  const clock = new VirtualClock();
  const events = new RecordingEvents();
  const time = new TimeDesk(clock, events, isTrusted ? "operator" : "system", () => undefined);
  if (isTrusted) time.tick();
  const state = { facts: first(time.best()) };
  const watch = new IdentityWatch({ clock, events, time, identity: { inspect: async () => state.facts } });
  const look = async (afterMs: number) => {
    await clock.advance(afterMs);
    watch.tick();
    await clock.advance(0);
    return watch.problems().flatMap(([code, isWrong]) => (isWrong ? [code] : []));
  };
  return { look, watch, state, events, time };
}

const endingIn = (days: number) => (now: EpochMs) => ({ certEnds: epochMs(now + days * DAY_MS), caEnds: null, trouble: null });

describe("the end of certificates", () => {
  it.each([
    [61, []],
    [59, ["CERT_EXPIRES_SOON"]],
    [0.5, ["CERT_EXPIRES_SOON"]],
    [-1, ["CERT_EXPIRED"]],
  ])("in %d days is told as %j", async (days, problems) => {
    expect(await (await watched(endingIn(days))).look(0)).toEqual(problems);
  });

  it("is no problem to a node that does not know the time, but its date is in status", async () => {
    const { look, watch } = await watched(endingIn(-1_000), false);
    expect(await look(0)).toEqual([]);
    expect(watch.ends.cert).toMatch(/^20\d\d-/);
  });

  it("is told of the authority too", async () => {
    const { look } = await watched((now) => ({ certEnds: null, caEnds: epochMs(now + DAY_MS), trouble: null }));
    expect(await look(0)).toEqual(["CA_EXPIRES_SOON"]);
  });

  it("is looked at once an hour, so that renewed files are seen without a restart", async () => {
    const { look, state, time } = await watched(endingIn(10));
    expect(await look(0)).toEqual(["CERT_EXPIRES_SOON"]);
    state.facts = endingIn(365)(time.best());
    expect(await look(HOUR_MS - 1)).toEqual(["CERT_EXPIRES_SOON"]);
    expect(await look(1)).toEqual([]);
  });
});

describe("renewed files that cannot be used", () => {
  it("are a problem until they can, and logged once", async () => {
    const { look, state, events } = await watched((now) => ({ ...endingIn(365)(now), trouble: "TLS_PAIR_MISMATCH" }));
    expect(await look(0)).toEqual(["TLS_PAIR_MISMATCH"]);
    expect(await look(HOUR_MS)).toEqual(["TLS_PAIR_MISMATCH"]);
    expect(events.of("TlsRenewalUnusable")).toHaveLength(1);
    state.facts = { ...state.facts, trouble: null };
    expect(await look(HOUR_MS)).toEqual([]);
  });
});

describe("a certificate that TLS finds to be of another time", () => {
  it("is blamed on the clock where nobody vouches for that, and only there", () => {
    expect(failureCode("CERT_NOT_YET_VALID", false)).toBe("CERT_NOT_YET_VALID, clock not trusted");
    expect(failureCode("CERT_HAS_EXPIRED", false)).toBe("CERT_HAS_EXPIRED, clock not trusted");
    expect(failureCode("CERT_NOT_YET_VALID", true)).toBe("CERT_NOT_YET_VALID");
    expect(failureCode("ECONNREFUSED", false)).toBe("ECONNREFUSED");
    expect(failureRemedy(failureCode("CERT_HAS_EXPIRED", false))).toContain("set the clock");
    expect(failureRemedy(failureCode("CERT_HAS_EXPIRED", true))).not.toContain("clock");
  });
});
