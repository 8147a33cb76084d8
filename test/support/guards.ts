import type { BrokerPlan, ResidencyPlan } from "../../src/config/plan.ts";
import { DAY_MS, type EpochMs, epochMs } from "../../src/core/units/time.ts";
import type { Broker } from "../../src/ports/broker.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { NewEvidence } from "../../src/ports/residency.ts";
import { BrokerGuard } from "../../src/runtime/broker-guard.ts";
import { TimeDesk } from "../../src/runtime/time-desk.ts";
import { nodePlan } from "./plans.ts";
import { RecordingEvents } from "./recording-events.ts";

/** What a guard is asked to keep, and what it finds. */
export interface GuardScene {
  readonly url?: string;
  readonly residency?: Partial<ResidencyPlan>;
  /** What the name has, asked for each time. Default: one address in Germany. */
  addresses?: (host: string) => Promise<readonly string[]>;
}

export const GERMAN = "116.203.1.1";
/** Location and operator by address; an address that is not here is not listed. */
const COUNTRIES: Readonly<Record<string, readonly [string, string]>> = {
  [GERMAN]: ["DE", "DE"],
  "51.68.1.1": ["FR", "FR"],
  "5.161.1.1": ["US", "DE"],
  "3.120.1.1": ["DE", "US"],
};

/** A guard with books of its own before the broker that it is given. Tests may rewrite the books and the date at any time. */
export function guardBefore(broker: Broker, clock: Clock, scene: GuardScene = {}) {
  const plan = nodePlan([]).broker;
  const asked: BrokerPlan = {
    ...plan,
    url: scene.url ?? "mqtts://mqtt.voorbeeld.example:8883",
    residency: { ...plan.residency, mode: "strict", ...scene.residency },
  };
  const events = new RecordingEvents();
  const time = new TimeDesk(clock, events, "operator", () => undefined);
  time.tick();
  const state = {
    countries: { ...COUNTRIES } as Record<string, readonly [string, string]>,
    made: epochMs(time.best() - DAY_MS) as EpochMs | null,
    records: [] as NewEvidence[],
    asked: [] as string[],
    evidenceFails: false,
    resolve: scene.addresses ?? (async () => [GERMAN]),
  };
  const guard = new BrokerGuard(
    {
      clock,
      events,
      broker,
      time,
      node: "n0042",
      instance: "9f3a01c2",
      residency: {
        resolver: {
          addresses: (host) => {
            state.asked.push(host);
            return state.resolve(host);
          },
        },
        books: {
          async lookUp(addresses) {
            const book = state.made === null ? null : { made: state.made, source: "a test" };
            const rows = addresses.map((address) => {
              const [location, operator] = (book === null ? undefined : state.countries[address]) ?? [null, null];
              return { address, location, operator };
            });
            return { addresses: rows, location: book, operator: book };
          },
        },
        evidence: {
          async append(record) {
            if (state.evidenceFails) throw Object.assign(new Error("no room"), { code: "ENOSPC" });
            state.records.push(record);
          },
        },
      },
    },
    asked,
  );
  const problems = (): readonly string[] => guard.problems().flatMap(([code, isWrong]) => (isWrong ? [code] : []));
  return { guard, events, time, state, problems };
}

/** Lets what waits for promises go on. */
export async function breathe(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
