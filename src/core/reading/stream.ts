import type { SensorId, StreamId } from "../units/ids.ts";
import type { DurationMs } from "../units/time.ts";
import type { CellAxes } from "./direction.ts";
import type { Kind, Sensitivity } from "./quantity.ts";

/** How a stream becomes publishable (CONTRACT §1). `noised` is reserved until the privacy work lands, and refused. */
export type Policy =
  | { readonly is: "open" }
  /** Cells with fewer than `k` detections are withheld; zero counts as small. */
  | { readonly is: "minimum-count"; readonly k: number }
  | { readonly is: "withheld" };

export type PolicyName = Policy["is"];

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
  readonly range: readonly [min: number, max: number];
  readonly resolution: number;
  readonly cells: CellAxes;
  readonly maxPerPassage: number;
  readonly states: readonly string[];
  readonly warmUpMs: number;
  readonly calibration: Calibration | null;
}

/** One stream as it runs. */
export interface StreamPlan {
  readonly id: StreamId;
  readonly sensor: SensorId;
  /** The operator's name for it, a topic level. */
  readonly name: string;
  readonly channel: ChannelPlan;
  readonly sensitivity: Sensitivity;
  readonly policy: Policy;
  readonly windowMs: DurationMs;
  /** How long after its end a window is closed. */
  readonly latenessMs: DurationMs;
  /** Edges of the speed histogram in km/h, ascending; used by kind `speed` only. */
  readonly binEdges: readonly number[];
}
