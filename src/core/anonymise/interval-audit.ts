/** One way in which the passages of a window were counted: by direction and class, or by speed. */
export interface CountTable {
  readonly counts: readonly number[];
  /** Counts below it are withheld. */
  readonly k: number;
}

/** What somebody can work out about the total: `[low, high]`. */
interface Interval {
  readonly low: number;
  readonly high: number;
}

const withheldIn = ({ counts, k }: CountTable): number => counts.filter((count) => count < k).length;
const shownIn = ({ counts, k }: CountTable): number => counts.reduce((sum, count) => (count < k ? sum : sum + count), 0);

/** What one table says about the total: what is shown, and up to k - 1 for each count that is withheld. */
function totalBy(table: CountTable): Interval {
  const low = shownIn(table);
  return { low, high: low + withheldIn(table) * (table.k - 1) };
}

/**
 * Whether withheld counts stay withheld when these tables are published side by side. Somebody who knows that all of them count the
 * same passages knows that their totals are equal, and so perhaps what a small count was: 23 by speed and 20 towards leave 3 away.
 * Each withheld count must still be able to be anything from 0 to k - 1 (privacy reference §2.5; in one dimension the bounds of a cell
 * are exact: what the total leaves when all others take the most, or the least).
 */
export function staysWithheld(tables: readonly CountTable[]): boolean {
  const totals = tables.map(totalBy);
  const low = Math.max(...totals.map((total) => total.low));
  const high = Math.min(...totals.map((total) => total.high));
  return tables.every((table) => {
    const withheld = withheldIn(table);
    if (withheld === 0) return true;
    const most = table.k - 1;
    const left: Interval = { low: low - shownIn(table) - (withheld - 1) * most, high: high - shownIn(table) };
    return left.low <= 0 && left.high >= most;
  });
}

/** Which of the tables may be published: the first as it is, each further one when it gives nothing away with those before it. */
export function publishable(tables: readonly CountTable[]): readonly boolean[] {
  const kept: CountTable[] = [];
  return tables.map((table) => {
    const isSafe = kept.length === 0 || staysWithheld([...kept, table]);
    if (isSafe) kept.push(table);
    return isSafe;
  });
}
