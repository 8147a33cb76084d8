import type { NodeProblem } from "../core/events/problems.ts";
import { expiryOf } from "../core/residency/certificate-dates.ts";
import { type EpochMs, HOUR_MS, isoUtc } from "../core/units/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import type { IdentityFacts, TlsIdentity } from "../ports/tls-identity.ts";
import type { TimeDesk } from "./time-desk.ts";

export interface IdentityWorld {
  readonly clock: Clock;
  readonly events: Events;
  readonly time: TimeDesk;
  readonly identity: TlsIdentity;
}

/** Looks at the certificates on disk once an hour, and when a connection is made: when they end, and whether renewed ones can be used. */
export class IdentityWatch {
  readonly #world: IdentityWorld;
  #facts: IdentityFacts = { certEnds: null, caEnds: null, trouble: null };
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(world: IdentityWorld) {
    this.#world = world;
  }

  /** At the next tick. */
  lookSoon(): void {
    this.#lookedMs = Number.NEGATIVE_INFINITY;
  }

  /** Called once a second. */
  tick(): void {
    const nowMs = this.#world.clock.monotonicMs();
    if (nowMs - this.#lookedMs < HOUR_MS) return;
    this.#lookedMs = nowMs;
    void this.#world.identity.inspect().then((facts) => {
      const { trouble } = facts;
      if (trouble !== null && trouble !== this.#facts.trouble) this.#world.events.emit({ type: "TlsRenewalUnusable", code: trouble });
      this.#facts = facts;
    });
  }

  /** Ends of the certificates for status, RFC 3339. */
  get ends(): { readonly cert: string | null; readonly ca: string | null } {
    const text = (at: EpochMs | null): string | null => (at === null ? null : isoUtc(at));
    return { cert: text(this.#facts.certEnds), ca: text(this.#facts.caEnds) };
  }

  problems(): readonly (readonly [NodeProblem, boolean])[] {
    const now = this.#world.time.now();
    const [cert, ca] = [expiryOf(this.#facts.certEnds, now), expiryOf(this.#facts.caEnds, now)];
    return [
      ["TLS_PAIR_MISMATCH", this.#facts.trouble === "TLS_PAIR_MISMATCH"],
      ["TLS_UNREADABLE", this.#facts.trouble === "TLS_UNREADABLE"],
      ["CERT_EXPIRES_SOON", cert === "soon"],
      ["CERT_EXPIRED", cert === "expired"],
      ["CA_EXPIRES_SOON", ca === "soon"],
      ["CA_EXPIRED", ca === "expired"],
    ];
  }
}
