import type { NodePlan, PortPlan, SensorPlan } from "../config/plan.ts";
import { hasTerms } from "../core/anonymise/terms.ts";
import { sameMeaning } from "../core/reading/meaning.ts";
import type { StreamId } from "../core/units/ids.ts";
import { streamsOf } from "./node-streams.ts";

/** A part of the plan that a running node cannot take over, and what to do instead. */
export interface RestartNeed {
  /** The way to the key in the node file. */
  readonly path: readonly string[];
  readonly remedy: string;
}

const RESTART = "restart the node to change it: systemctl restart stoep";

/** What of `after` a node that runs `before` cannot take over while it runs. */
export function restartNeeds(before: NodePlan, after: NodePlan): readonly RestartNeed[] {
  const needs: RestartNeed[] = [];
  if (before.node.id !== after.node.id) {
    needs.push({ path: ["node", "id"], remedy: `its stores and its place at the broker are those of ${before.node.id}; ${RESTART}` });
  }
  if (before.storage.directory !== after.storage.directory) {
    needs.push({ path: ["storage", "directory"], remedy: `summaries wait in ${before.storage.directory}; ${RESTART}` });
  }
  if (before.storage.live !== after.storage.live) {
    needs.push({ path: ["storage", "live"], remedy: `open windows are in ${before.storage.live ?? "memory"}; ${RESTART}` });
  }
  if (!sameData(before.time, after.time)) needs.push({ path: ["time"], remedy: `open windows lie on the clock of before; ${RESTART}` });
  return needs;
}

/** Equal as data: maps in any order of keys, lists in theirs. Functions and other things are equal to themselves only. */
export function sameData(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => sameData(item, b[index]));
  if (!isMap(a) || !isMap(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameData(a[key], b[key]));
}

function isMap(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** `kept`: nothing changes. `rearranged`: its port stays open, and what is made of its channels changes. `reopened`: it starts anew. */
export type SensorChange = "kept" | "rearranged" | "reopened";

/**
 * What has to happen to a sensor. A file of drivers is loaded anew for each plan, so a driver is known by its name; which file a name
 * leads to cannot change while the node runs.
 */
export function sensorChange(before: SensorPlan, after: SensorPlan): SensorChange {
  const roots = ({ driver, port, options, enabled, onStartFailure }: SensorPlan) => ({
    driver: driver.name,
    port,
    options,
    enabled,
    onStartFailure,
  });
  if (!sameData(roots(before), roots(after))) return "reopened";
  return sameData({ ...before, driver: null }, { ...after, driver: null }) ? "kept" : "rearranged";
}

export const samePort = (a: PortPlan, b: PortPlan): boolean => sameData(a, b);

/** Streams by what becomes of the window that is open for them. */
export interface StreamChanges {
  readonly added: readonly StreamId[];
  /** Their open window is not published. */
  readonly ended: readonly StreamId[];
  /** In both plans, with another meaning: their open window is not published, and the next one is of the new kind. */
  readonly redefined: readonly StreamId[];
}

/** What changes about streams that leave. */
export function streamChanges(before: NodePlan, after: NodePlan): StreamChanges {
  const leaving = (plan: NodePlan) =>
    new Map(streamsOf(plan).flatMap((stream) => (stream.policy.is === "withheld" ? [] : [[stream.id, stream] as const])));
  const [old, now] = [leaving(before), leaving(after)];
  const redefined = [...now].flatMap(([id, stream]) => {
    const was = old.get(id);
    return was === undefined || sameMeaning(was, stream) ? [] : [id];
  });
  return {
    added: [...now.keys()].filter((id) => !old.has(id)),
    ended: [...old.keys()].filter((id) => !now.has(id)),
    redefined,
  };
}

/** Whether the book of terms has to be settled anew. */
export function changesTerms(before: NodePlan, after: NodePlan): boolean {
  const terms = (plan: NodePlan) => ({ cap: plan.privacy, streams: streamsOf(plan).filter(hasTerms) });
  return !sameData(terms(before), terms(after));
}
