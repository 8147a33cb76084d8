/** A line of a simulated chip is brought to a level. */
export interface Move {
  /** From the start of the script. */
  readonly atMs: number;
  readonly line: number;
  readonly high: boolean;
}

const US_PER_MS = 1_000;

/** A contact that goes to `high` at `atMs` and bounces: so many times back and forth, a millisecond apart, then it rests there. */
export const bounce = (line: number, atMs: number, high: boolean, times: number): readonly Move[] =>
  Array.from({ length: 2 * times + 1 }, (_, index) => ({ atMs: atMs + index, line, high: index % 2 === 0 ? high : !high }));

/** A line that rests high is low from `atMs` for `lastsMs`. */
export const lowPulse = (line: number, atMs: number, lastsMs: number): readonly Move[] => [
  { atMs, line, high: false },
  { atMs: atMs + lastsMs, line, high: true },
];

/** `count` edges, `perSecond` of them each second, over the lines in turn; they are low before. */
export function wave(lines: readonly number[], count: number, perSecond: number): readonly Move[] {
  return Array.from({ length: count }, (_, index) => ({
    atMs: (index * 1_000) / perSecond,
    line: lines[index % lines.length] ?? 0,
    high: Math.floor(index / lines.length) % 2 === 0,
  }));
}

/** `times` copies of a move or several, each so long after the one before. */
export const every = (everyMs: number, times: number, moves: (atMs: number) => readonly Move[]): readonly Move[] =>
  Array.from({ length: times }, (_, index) => moves(index * everyMs)).flat();

/** What `drive-lines` reads: everything at once, oldest first. */
export const script = (...moves: readonly (readonly Move[])[]): string =>
  moves
    .flat()
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ atMs, line, high }) => `${Math.round(atMs * US_PER_MS)} ${line} ${high ? 1 : 0}\n`)
    .join("");

/** What `drive-lines` says that it did. */
export interface Driven {
  readonly moves: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly heldUpMs: number;
}

export function readDriven(text: string): Driven {
  const [, moves, us, perSecond, heldUpUs] = /^moves=(\d+) us=(\d+) perSecond=([\d.]+) heldUpUs=(\d+)$/m.exec(text) ?? [];
  if (heldUpUs === undefined) throw new Error(`drive-lines said: ${text}`);
  return { moves: Number(moves), seconds: Number(us) / 1e6, perSecond: Number(perSecond), heldUpMs: Number(heldUpUs) / US_PER_MS };
}
