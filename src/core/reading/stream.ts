import type { EpsilonMicro } from "../units/epsilon.ts";
import type { SensorId, StreamId } from "../units/ids.ts";
import type { DurationMs } from "../units/time.ts";
import type { CellAxes } from "./direction.ts";
import type { Kind, Sensitivity } from "./quantity.ts";

/** How a stream becomes publishable (CONTRACT §1). */
export type Policy =
  | { readonly is: "open" }
  | NoisedPolicy
  /** Cells with fewer than `k` detections are withheld; zero counts as small. */
  | { readonly is: "minimum-count"; readonly k: number }
  /** A number about so many sensors together, none of which leaves alone. Published as `minimum-count` of `members`. */
  | { readonly is: "group"; readonly members: readonly StreamId[] }
  | { readonly is: "withheld" };

/** The policies that a stream of one sensor can have. */
export type PolicyName = Exclude<Policy["is"], "group">;

/** Released with exact discrete noise, at the cost of a budget that is shared by everything that is told about the same people. */
export interface NoisedPolicy {
  readonly is: "noised";
  /** What one release of this stream costs. */
  readonly epsilonMicro: EpsilonMicro;
  /** What all noised streams of the account together cost about one event. */
  readonly accountMicro: EpsilonMicro;
  /** Of a counter: the most that one reading may add, in the unit of the channel. Larger ones are cut down to it. */
  readonly bound: number | null;
}

/** The account of a sensor that names no other: everybody who passes the node. */
export const NODE_ACCOUNT = "node";

/** Scale and offset by which a reading is corrected: `value * scale + offset`, in float64. */
export interface Calibration {
  readonly scale: number;
  readonly offset: number;
  /** Day of the calibration, `YYYY-MM-DD`. */
  readonly date?: string;
  /** Day after which summaries carry the flag `calibration-overdue`. */
  readonly validUntil?: string;
  readonly by?: string;
}

/** One channel of a sensor as it runs: the driver's declaration, settled with vocabulary and config. */
export interface ChannelPlan {
  readonly name: string;
  readonly quantity: string;
  readonly kind: Kind;
  readonly unit: string;
  readonly sensitivity: Sensitivity;
  /** Its values come by the rhythm of the instrument, whoever is there: driver and vocabulary say so, whatever the operator tightens. */
  readonly showsLife: boolean;
  readonly range: readonly [min: number, max: number];
  readonly resolution: number;
  readonly cells: CellAxes;
  readonly maxPerPassage: number;
  readonly states: readonly string[];
  readonly warmUpMs: number;
  readonly calibration: Calibration | null;
}

/** What a longer window is made of. */
export interface DerivedFrom {
  readonly stream: StreamId;
  /** Time zone whose calendar days its windows are; null: they lie on the lattice of UTC. */
  readonly timeZone: string | null;
}

/** One stream as it runs. */
export interface StreamPlan {
  readonly id: StreamId;
  readonly sensor: SensorId;
  /** The operator's name for it, a topic level. */
  readonly name: string;
  /** The people whose privacy budget its releases spend: everybody who passes the node, or who the operator declares to be others. */
  readonly account: string;
  readonly channel: ChannelPlan;
  readonly sensitivity: Sensitivity;
  readonly policy: Policy;
  readonly windowMs: DurationMs;
  /** How long after its end a window is closed. */
  readonly latenessMs: DurationMs;
  /** The stream whose released windows it is made of; null: it is made of readings. */
  readonly from: DerivedFrom | null;
  /** The group that it is a member of: watched, and published with the others only; null: none. */
  readonly group: SensorId | null;
  /** Edges of the speed histogram in km/h, ascending; used by kind `speed` only. */
  readonly binEdges: readonly number[];
}
