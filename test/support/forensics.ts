import { Canaries } from "./canaries.ts";
import {
  ADDRESS,
  ADDRESS_TEXT,
  BUSY,
  type ForensicDay,
  HOUSEHOLDS_W,
  type Remains,
  SPEED_KEPT_KMH,
  SPEED_KMH,
  TILL_VALUE,
} from "./forensic-day.ts";

/** Differences below this may stand anywhere by chance: a running total of bytes in the outbox grows to a million or two in a day. */
const RARE_FROM = 2_000_000;

/** What came in at each input, and how many in the busy window. */
export const planted = (): Canaries =>
  new Canaries()
    .number(SPEED_KMH, SPEED_KEPT_KMH, TILL_VALUE)
    .number(...HOUSEHOLDS_W.map((watt) => Number(watt.toFixed(3))))
    .text(String(TILL_VALUE))
    .identifier(ADDRESS)
    .number(Number.parseInt(ADDRESS_TEXT, 16))
    .number(BUSY.passages, Math.ceil(BUSY.passages / 2), Math.floor(BUSY.passages / 2), BUSY.door, BUSY.devices);

interface NoisedDocument {
  readonly sensor: string;
  readonly stream: string;
  readonly window: { readonly start: string };
  readonly privacy?: { readonly policy: string; readonly from?: string };
  readonly cells?: readonly { readonly count: number }[];
  readonly total?: { readonly count: number };
  readonly histogram?: { readonly edges: readonly number[]; readonly counts: readonly number[] };
  readonly stats?: { readonly sum?: number; readonly distinct?: number };
}

/**
 * Released minus exact, of every noised number that was sent: with it, what was exact could be had from what is public. Where nobody
 * passed it is the released number itself, which may be known.
 */
export function noiseOf({ exact }: Pick<ForensicDay, "exact">, { sent }: Pick<Remains, "sent">, rareFrom = RARE_FROM): readonly number[] {
  const released = sent
    .filter(({ topic }) => topic.endsWith("/summary"))
    .flatMap(({ text }) => {
      const { sensor, stream, window, privacy, ...body } = JSON.parse(text) as NoisedDocument;
      if (privacy?.policy !== "noised" || privacy.from !== undefined) return [];
      return paired(body, exact.get(`${sensor}/${stream} ${window.start}`) ?? []);
    });
  // Among so many that may be known some are the same by chance.
  const known = new Set(released.map(([number]) => Math.abs(number)));
  const noise = released.flatMap(([number, truth]) => (truth === 0 ? [] : [number - truth]));
  return noise.filter((one) => Math.abs(one) >= rareFrom && !known.has(Math.abs(one)));
}

type Pair = readonly [released: number, exact: number];

function paired({ cells, total, histogram, stats }: Partial<NoisedDocument>, exact: readonly number[]): readonly Pair[] {
  const [first = 0] = exact;
  if (cells !== undefined) {
    const sum = exact.reduce((all, one) => all + one, 0);
    return [...cells.map(({ count }, index): Pair => [count, exact[index] ?? 0]), [total?.count ?? 0, sum]];
  }
  if (histogram !== undefined) return histogram.counts.map((count, bin) => [count, isTheirs(histogram.edges, bin) ? first : 0]);
  return [[stats?.sum ?? stats?.distinct ?? 0, first]];
}

/** All of them drove at the same speed. */
const isTheirs = (edges: readonly number[], bin: number): boolean =>
  SPEED_KEPT_KMH >= (edges[bin] ?? 0) && SPEED_KEPT_KMH < (edges[bin + 1] ?? Number.POSITIVE_INFINITY);

/** Where any of these stand in what a node left behind. */
export function traces(canaries: Canaries, { folder, live, node, log, status, sent }: Remains): readonly string[] {
  return [
    ...canaries.inFiles(folder),
    ...canaries.inTables(live).map((found) => `live.db ${found}`),
    ...canaries.inTables(node).map((found) => `node.db ${found}`),
    ...canaries.in(log).map((found) => `the log: ${found}`),
    ...canaries.in(status).map((found) => `the status: ${found}`),
    ...sent.flatMap(({ topic, text }) => canaries.in(`${topic}\n${text}`).map((found) => `${topic}: ${found}`)),
  ];
}
