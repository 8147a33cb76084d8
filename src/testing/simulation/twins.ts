import type { World } from "../../runtime/node.ts";
import type { Machine } from "./machine.ts";
import { simulate } from "./simulation.ts";

export interface TwinOptions {
  /** A fresh machine for each of the two. */
  machine(): Machine;
  readonly seed: number;
  readonly hours: number;
  /** Replaces parts of the world by broken ones, in tests. */
  spoil?(world: World): World;
}

/** Where two worlds began to differ: a line of each. */
export interface Difference {
  readonly busy: string;
  readonly empty: string;
}

/**
 * Runs a world twice, with its road users and without them, and compares everything that can be seen from outside, and when: every
 * message, every line of the log. Only noised numbers may differ (promise P1). Null: nothing else does.
 */
export async function compareTwins({ machine, seed, hours, spoil }: TwinOptions): Promise<Difference | null> {
  const run = async (isEmptyStreet: boolean): Promise<readonly string[]> => {
    const lines: string[] = [];
    const one = machine();
    try {
      const onLine = (line: string): void => void lines.push(withoutNoised(line));
      await simulate({ machine: one, seed, hours, isEmptyStreet, isComparable: true, onLine, ...(spoil === undefined ? {} : { spoil }) });
      return lines;
    } finally {
      one.remove();
    }
  };
  const [busy, empty] = [await run(false), await run(true)];
  const at = busy.findIndex((line, index) => line !== empty[index]);
  if (at < 0 && busy.length === empty.length) return null;
  const place = at < 0 ? busy.length : at;
  return { busy: busy[place] ?? "(nothing)", empty: empty[place] ?? "(nothing)" };
}

/** A line of the trace with every released number of people blanked out. */
export function withoutNoised(line: string): string {
  if (!line.includes('"policy":"noised"') || !line.includes("/summary ")) return line;
  return line.replace(/"counts":\[[^\]]*\]/, '"counts":[]').replace(/"(count|sum|v85)":(-?[\d.]+|null)/g, '"$1":0');
}
