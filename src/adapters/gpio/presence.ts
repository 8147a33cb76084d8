import { access } from "node:fs/promises";
import type { Cancel, Clock } from "../../ports/clock.ts";

/** How often it is looked whether a chip is still there. */
export const PRESENCE_MS = 2_000;

/** The path is there; or nobody may look, which says nothing against it. */
async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}

/**
 * Tells once when one of these paths is gone that was there at first. Nobody else says so: a gpiomon 2 whose chip is unplugged waits for
 * edges for ever (seen with 2.2.1 on Linux 6.1), and so does who polls a file of sysfs. `onGone` is told the path.
 */
export function watchPresence(clock: Pick<Clock, "after">, paths: readonly string[], onGone: (path: string) => void): Cancel {
  let isWanted = true;
  let cancelTimer: Cancel | null = null;
  const present = async (candidates: readonly string[]): Promise<readonly string[]> => {
    const answers = await Promise.all(candidates.map(isThere));
    return candidates.filter((_, index) => answers[index]);
  };
  const again = (known: readonly string[]): void => {
    if (isWanted && known.length > 0) cancelTimer = clock.after(PRESENCE_MS, () => void look(known));
  };
  const look = async (known: readonly string[]): Promise<void> => {
    const left = new Set(await present(known));
    if (!isWanted) return;
    const gone = known.find((path) => !left.has(path));
    if (gone === undefined) return again(known);
    isWanted = false;
    onGone(gone);
  };
  void present([...new Set(paths)]).then(again);
  return () => {
    isWanted = false;
    cancelTimer?.();
  };
}
