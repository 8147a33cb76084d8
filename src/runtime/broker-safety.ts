import type { BrokerPlan } from "../config/plan.ts";
import type { NodeProblem } from "../core/events/problems.ts";
import { isoUtc } from "../core/units/time.ts";
import type { OnlineStatus } from "../formats/documents.ts";
import type { Broker } from "../ports/broker.ts";
import type { TlsIdentity } from "../ports/tls-identity.ts";
import { BrokerGuard, type BrokerSecurity, type GuardWorld, type ResidencyWorld } from "./broker-guard.ts";
import { IdentityWatch } from "./identity-watch.ts";

/** All that keeps the way to the broker safe, for the node as a whole. */
export interface BrokerSafety {
  /** The broker as the publisher sees it: behind the check of where it stands. */
  readonly broker: Broker;
  readonly security: BrokerSecurity;
  /** For status. */
  readonly ends: OnlineStatus["expires"];
  /** Called once a second; what is wrong, by code, and whether it is. */
  tick(): readonly (readonly [NodeProblem, boolean])[];
}

/**
 * Who knows where the broker stands, and the certificates that it is reached with. Either may be absent where a node is tested without
 * it: then nothing is looked up, and nothing ends.
 */
export interface BrokerWitnesses {
  readonly residency?: ResidencyWorld;
  readonly identity?: TlsIdentity;
}

/** A broker, and who knows about it. */
export interface WayToBroker extends BrokerWitnesses {
  readonly broker: Broker;
}

export type SafetyWorld = Omit<GuardWorld, "residency"> & BrokerWitnesses;

const NOTHING: BrokerSecurity = { residency: null, tls: null };

/** Puts guard and watch together. */
export function safetyOf({ residency, identity, ...world }: SafetyWorld, plan: BrokerPlan): BrokerSafety {
  const guard = residency === undefined ? null : new BrokerGuard({ ...world, residency }, plan);
  const watch = identity === undefined ? null : new IdentityWatch({ ...world, identity });
  const broker = guard ?? world.broker;
  return {
    broker: {
      connect(request, listener) {
        // A connection reads the files anew: what it found there is looked at with it.
        watch?.lookSoon();
        return broker.connect(request, listener);
      },
    },
    get security() {
      return guard?.security ?? NOTHING;
    },
    get ends() {
      const databases = guard?.databasesEnd ?? null;
      return { ...(watch?.ends ?? { cert: null, ca: null }), ipDatabase: databases === null ? null : isoUtc(databases) };
    },
    tick() {
      guard?.tick();
      watch?.tick();
      return [...(guard?.problems() ?? []), ...(watch?.problems() ?? [])];
    },
  };
}
