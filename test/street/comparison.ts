import type { Truth } from "./instruments/instrument.ts";
import { DEAD } from "./instruments/modbus.ts";
import { compareState, compareWindow, gapsIn, type HeardSummary, wrongCoverage, type Zone } from "./oracle.ts";
import { CLOSURE, SHOWN, type Street } from "./street.ts";

/** How many windows were compared, and how: a comparison that never happens finds nothing. */
export interface Compared {
  /** Equal to the last digit. */
  exact: number;
  /** Of those: no value came so near an edge that it could have been in the neighbour. */
  unambiguous: number;
  /** Shares of time, and values made by the node's own timers, which arrival moves a little: within bounds. */
  bounded: number;
  /** Not compared: a value may have been lost, and nobody here can say which. */
  unknown: number;
  readonly problems: string[];
}

/** What is known of the time of arrival, and of sensors that were disturbed for a while. */
export interface Circumstances {
  /** By sensor. Null: just when it was told. */
  zone(sensor: string): Zone;
  /** False: something that nobody here can time was done to the sensor in this window, or after it. */
  isCoverageKnown(sensor: string, fromMs: number): boolean;
  /** Values around then cannot be known either. */
  areValuesKnown(sensor: string, fromMs: number, toMs: number): boolean;
}

/** The slowest rhythm on the street, for the coverage of the window in which a sensor began. */
const RHYTHM_MS_MAX = 10_000;

/** What is published of a channel, or null. */
export function truthOf(street: Street, { sensor, stream }: Pick<HeardSummary, "sensor" | "stream">): Truth | null {
  return street.thing(sensor)?.truths[stream] ?? null;
}

/** Compares every summary of the environment with what the street said. */
export function compareAll(street: Street, summaries: readonly HeardSummary[], around: Circumstances): Compared {
  const compared: Compared = { exact: 0, unambiguous: 0, bounded: 0, unknown: 0, problems: [] };
  for (const summary of summaries) {
    const what = truthOf(street, summary);
    if (what !== null) compareOne(street, summary, what, around, compared);
  }
  return compared;
}

function compareOne(street: Street, summary: HeardSummary, what: Truth, around: Circumstances, compared: Compared): void {
  const { id, sensor, stream, window } = summary;
  const [fromMs, toMs] = [Date.parse(window.start), Date.parse(window.end)];
  const samples = street.log.of(sensor, stream);
  const zone = around.zone(sensor);
  const arrivalMs = zone.earlyMs + zone.lateMs;
  const complain = (problem: string | null): void => {
    if (problem !== null) compared.problems.push(`${id}: ${problem}; ${JSON.stringify(summary.stats ?? summary.reason)}`);
  };
  if (!around.areValuesKnown(sensor, fromMs, toMs)) {
    compared.unknown++;
    return;
  }
  if (what.kind === "state") {
    complain(compareState(summary, what, { fromMs: samples[0]?.atMs ?? toMs, changes: samples }, 2 * arrivalMs));
    if (arrivalMs === 0) compared.exact++;
    else compared.bounded++;
    if (arrivalMs === 0) compared.unambiguous++;
  } else if ((street.contact(sensor)?.intervalMs ?? null) !== null && arrivalMs > 0) {
    complain(windOutOfBounds(summary, street));
    compared.bounded++;
  } else if (street.thermometer(sensor) !== null && arrivalMs > 0) {
    complain(warmthOutOfBounds(summary, street));
    compared.bounded++;
  } else {
    const { problem, ways } = compareWindow(summary, what, samples, zone);
    complain(problem);
    compared.exact++;
    if (ways === 1) compared.unambiguous++;
  }
  const isWhole = !street.reopenedMs.has(sensor) || fromMs > (street.openedMs.get(sensor) ?? 0);
  if (!isWhole || !around.isCoverageKnown(sensor, fromMs)) return;
  const aliveMs = aliveFrom(street, sensor);
  // Counters and states are vouched for by the line; other values by those before and after.
  const isByLine = what.kind === "counter" || what.kind === "state";
  const gaps = isByLine ? { leastMs: 0, mostMs: 0 } : gapsIn(samples, summary, aliveMs, street.thing(sensor)?.slowestMs);
  complain(wrongCoverage(summary, aliveMs, RHYTHM_MS_MAX, gaps));
}

/** From when on values count: since the port was opened, and the instrument is warm. */
function aliveFrom(street: Street, sensor: string): number {
  if (sensor === DEAD) return Number.POSITIVE_INFINITY;
  const openedMs = street.openedMs.get(sensor) ?? Number.POSITIVE_INFINITY;
  return Math.max(openedMs, street.instrument(sensor)?.warmUntilMs ?? openedMs);
}

/** SEN-15901: metres of wind for each closure. */
const METRES_PER_CLOSURE = 0.6667;
/** What rounding to hundredths may have moved each value by, and the mean of them, m/s. */
const ROUNDED_MPS = 0.01;
/** The last interval of a window ends in it, and began an interval before; edges may be told so much late. */
const EDGE_MS = 500;

/**
 * Values of an anemometer are of intervals that the node begins when it opens the port. So it is counted back: the closures that the mean
 * of a window stands for are those of that window, but for an interval at each end.
 */
function windOutOfBounds({ sensor, window, stats }: HeardSummary, street: Street): string | null {
  const intervalMs = street.contact(sensor)?.intervalMs ?? 0;
  const closures = street.log.of(sensor, CLOSURE.channel);
  const within = (fromMs: number, toMs: number): number => closures.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length;
  const [startMs, endMs] = [Date.parse(window.start), Date.parse(window.end)];
  const { samples = 0, mean = 0 } = (stats ?? {}) as Readonly<Record<string, number>>;
  const seconds = (samples * intervalMs) / 1_000;
  const told = (mean * seconds) / METRES_PER_CLOSURE;
  const rounding = (ROUNDED_MPS * seconds) / METRES_PER_CLOSURE;
  const least = within(startMs + EDGE_MS, endMs - intervalMs - EDGE_MS) - rounding;
  const most = within(startMs - intervalMs - EDGE_MS, endMs + EDGE_MS) + rounding;
  return told >= least && told <= most
    ? null
    : `tells of ${told.toFixed(1)} closures, and it was ${least.toFixed(1)} to ${most.toFixed(1)}`;
}

/** A read takes a second, and begins when the node wants: what was shown so long before a window may be in it. */
const READ_MS = 6_000;
const THOUSANDTHS = 1_000;
/** Values are told in hundredths, the mean more finely. */
const HALF_A_HUNDREDTH = 0.005_001;

/** What a file showed is known, and when the node read it is not: every figure lies between the coldest and the warmest. */
function warmthOutOfBounds({ sensor, window, stats, reason }: HeardSummary, street: Street): string | null {
  const [startMs, endMs] = [Date.parse(window.start), Date.parse(window.end)];
  const shown = street.log.of(sensor, SHOWN.channel).filter(({ atMs }) => atMs >= startMs - READ_MS && atMs < endMs + READ_MS);
  if (stats === undefined) return shown.length < 2 ? null : `says ${String(reason)}, and ${shown.length} values were shown`;
  const degrees = shown.map(({ steps }) => steps / THOUSANDTHS);
  const [least, most] = [Math.min(...degrees) - HALF_A_HUNDREDTH, Math.max(...degrees) + HALF_A_HUNDREDTH];
  const isInside = ["min", "max", "mean", "p50", "p95"].every(
    (name) => (stats[name] as number) >= least && (stats[name] as number) <= most,
  );
  return isInside ? null : `is beyond what was shown, ${least} to ${most}`;
}
