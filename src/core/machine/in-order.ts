/** What lists in order are ordered by. */
interface Placed {
  readonly position: number;
}

/** Puts rows where they belong in a list that ascends by position. Thousands may be there, so it is not sorted for each. */
export function insert<Row extends Placed>(list: Row[], rows: readonly Row[]): void {
  for (const row of rows) list.splice(placeOf(row.position, list), 0, row);
}

/** Whether a list that ascends by position has this one. */
export const isAmong = (list: readonly Placed[], position: number): boolean => list[placeOf(position, list)]?.position === position;

function placeOf(position: number, list: readonly Placed[]): number {
  let [from, to] = [0, list.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((list[middle]?.position ?? 0) < position) from = middle + 1;
    else to = middle;
  }
  return from;
}
