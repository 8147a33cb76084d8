import type { LocalStatus } from "../../src/runtime/status.ts";
import type { Received } from "../support/subscriber.ts";
import { topicOf } from "../support/summaries.ts";
import type { Compared } from "./comparison.ts";
import { METER_CANARY, POSITION_CANARY, POWER_CANARY } from "./instruments/meters.ts";
import { DEAD } from "./instruments/modbus.ts";
import { SPEED_CANARY } from "./instruments/traffic.ts";
import { PEOPLE, SENSORS } from "./layout.ts";
import type { HeardSummary } from "./oracle.ts";
import type { Street } from "./street.ts";

/** What no text of a node may hold: the number and power of a household's meter, a position, one speed. */
const CANARIES: readonly string[] = [METER_CANARY, POWER_CANARY, String(Number(POWER_CANARY) * 1_000), POSITION_CANARY, SPEED_CANARY];

/** Names that are drawn: four digits may stand in eight by chance. */
const DRAWN = /"(?:instance|boot|rev|active|rejected)":"[0-9a-f]{8}"/g;

/**
 * The texts that say what none may. What an open summary says is held against the oracle: a number of four digits, a CO2 say, stands
 * there by chance now and then.
 */
export function leaksIn(texts: readonly string[]): readonly string[] {
  const isIn = (text: string, canary: string): boolean => {
    const isChance = canary.length < 5 && text.includes('"policy":"open"');
    return !isChance && text.replaceAll(DRAWN, "").includes(canary);
  };
  return texts.filter((text) => CANARIES.some((canary) => isIn(text, canary)));
}

/** Streams of the environment that are to be published. */
export function openStreamsOf(street: Street): readonly string[] {
  return SENSORS.flatMap((id) => Object.keys(street.thing(id)?.truths ?? {}).map((channel) => `${id}.${channel}`));
}

/** Topics of all summaries that may be there, and must. */
export const topicsOf = (street: Street, prefix: string, node: string): readonly string[] =>
  [...openStreamsOf(street), ...PEOPLE].map((stream) => topicOf(prefix, node, stream)).sort();

/** Every summary once, however often it was handed out. */
export function heardIn(messages: readonly Pick<Received, "topic" | "payload">[]): readonly HeardSummary[] {
  const byId = new Map<string, HeardSummary>();
  for (const { topic, payload } of messages) {
    if (!topic.endsWith("/summary")) continue;
    const summary = JSON.parse(Buffer.from(payload).toString("utf8")) as HeardSummary;
    byId.set(summary.id, summary);
  }
  return [...byId.values()];
}

/** Windows of the environment that are missing: each stream tells of each of its windows between two instants. */
export function missingWindows(street: Street, summaries: readonly HeardSummary[], fromMs: number, toMs: number): readonly string[] {
  const told = new Set(summaries.map(({ sensor, stream, window }) => `${sensor}.${stream} ${Date.parse(window.start)}`));
  return openStreamsOf(street).flatMap((stream) => {
    const seconds = summaries.find((one) => `${one.sensor}.${one.stream}` === stream)?.window.seconds;
    if (seconds === undefined) return [`${stream}: all`];
    const windowMs = seconds * 1_000;
    const missing: string[] = [];
    for (let startMs = Math.floor(fromMs / windowMs) * windowMs; startMs + windowMs <= toMs; startMs += windowMs)
      if (!told.has(`${stream} ${startMs}`)) missing.push(`${stream}: ${new Date(startMs).toISOString()}`);
    return missing;
  });
}

/** Flags that nobody can explain: on this street only what needs to warm up, and was just started, says so. */
export const strangeFlags = (summaries: readonly HeardSummary[]): readonly string[] =>
  summaries.flatMap(({ id, sensor, flags }) =>
    flags.filter((flag) => flag !== "warming" || !/^(air|dust|fine|gas-[12])/.test(sensor)).map((flag) => `${id}: ${flag}`),
  );

/** Sensors that are not as they should be in the end: well, with books that balance, but for the unit that never answers. */
export const wrongStates = ({ sensors }: LocalStatus): readonly string[] =>
  SENSORS.filter((id) => {
    const { state, balanced } = sensors[id] ?? {};
    return balanced !== true || (state === "ok") === (id === DEAD);
  }).map((id) => `${id} is ${sensors[id]?.state}, its books ${sensors[id]?.balanced === true ? "balance" : "do not balance"}`);

/** What a test of a street has to say in the end, in one line. */
export function lineOf(street: Street, found: Compared & { readonly people: number }): string {
  const drivers = new Set(SENSORS.map((id) => street.thing(id)?.driver));
  const { exact, unambiguous, bounded, unknown, people } = found;
  return (
    `${SENSORS.length} sensors of ${drivers.size} drivers, ${street.log.count} readings; ${exact} windows equal to the oracle ` +
    `(${unambiguous} of them could be shared out in one way only), ${bounded} within bounds, ${unknown} not compared, ` +
    `${people} counts of people noised`
  );
}
