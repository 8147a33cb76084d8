import type { World } from "../../runtime/node.ts";
import type { Machine } from "./machine.ts";
import type { Observation } from "./observation.ts";
import type { Trace } from "./trace.ts";

/** What a simulated world is made of, and who is told what happens in it. */
export interface WorldOptions {
  readonly machine: Machine;
  readonly seed: number;
  /** For how long faults happen. */
  readonly faultsForMs: number;
  readonly isEmptyStreet: boolean;
  /** Nothing happens at a moment that depends on who passed: two streets can be compared. */
  readonly isComparable: boolean;
  spoil(world: World): World;
  observe(observation: Observation): void;
  readonly trace: (now: () => string) => Trace;
}
