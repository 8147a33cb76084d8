import { type MonotonicMs, monotonicMs } from "../../core/units/time.ts";
import type { BusEvent, Driver } from "../../driver-api/driver.ts";
import { type Conversation, type Finding, isData, Subject } from "./evidence.ts";
import { countData, playWithTimers, repeated } from "./playback.ts";
import type { Seeded } from "./seeded.ts";

const TRIALS_PER_FILE = 20;
const GARBAGE_BYTES_MAX = 64;
/** Garbage may cost the frame it runs into and the one after it. */
const FRAMES_TO_RESYNCHRONISE = 2;
/** A short golden file is repeated until it holds this many answers, so that losing two of them shows. */
const DATA_ANSWERS_MIN = 20;
const REPEATS_MAX = 50;
/** How long after the last event timers may still fire: long enough for a track to end. */
const AFTERMATH_MS = 20_000;
/**
 * Pure noise: a format with 16 bits of header and checksum together yields one false answer in 65,536 bytes. One that yields far
 * more believes noise.
 */
const NOISE_BYTES = 65_536;
const FALSE_ANSWERS_MAX = NOISE_BYTES / 4_096;

/** Throws garbage between frames: the driver must find its way back within two frames, and must not answer to the garbage. */
export function checkNoise(driver: Driver, conversations: readonly Conversation[], random: Seeded): Finding[] {
  const findings: Finding[] = [];
  if (driver.port !== "serial") return findings;
  for (const conversation of conversations) {
    const once = repeated(conversation, 1);
    const answersOnce = countData(playWithTimers(new Subject(driver, conversation.options), once, AFTERMATH_MS));
    if (answersOnce === 0 || !once.some(({ type }) => type === "bytes")) continue;
    const times = Math.min(REPEATS_MAX, Math.ceil(DATA_ANSWERS_MIN / answersOnce));
    const finding = disturb(driver, conversation, repeated(conversation, times), random);
    if (finding !== null) findings.push(finding);
  }
  const first = conversations[0];
  if (first !== undefined && driver.generic !== true) findings.push(...pureNoise(driver, first, random));
  return findings;
}

function disturb(driver: Driver, { name, options }: Conversation, events: readonly BusEvent[], random: Seeded): Finding | null {
  const clean = playWithTimers(new Subject(driver, options), events, AFTERMATH_MS);
  const cleanCount = countData(clean);
  const mostPerEvent = Math.max(...clean.answers.map((answers) => answers.filter(isData).length));
  const places = events.flatMap(({ type }, index) => (type === "bytes" ? [index] : []));
  for (let trial = 0; trial < TRIALS_PER_FILE; trial++) {
    const place = places[random.below(places.length)] ?? 0;
    const data = random.bytes(1 + random.below(GARBAGE_BYTES_MAX));
    const garbage: BusEvent = { type: "bytes", atMs: events[place]?.atMs ?? (0 as MonotonicMs), data };
    const run = playWithTimers(new Subject(driver, options), events.toSpliced(place, 0, garbage), AFTERMATH_MS);
    const complain = (message: string): Finding => {
      return { check: "noise", where: name, message: `${message} (${data.length} bytes of garbage before event ${place + 1} of the port)` };
    };
    if (run.thrown !== null) return complain(`threw ${run.thrown}`);
    const lost = cleanCount - countData(run);
    if (lost > FRAMES_TO_RESYNCHRONISE * mostPerEvent) return complain(`lost ${lost} of ${cleanCount} answers`);
    if (lost < 0) return complain(`answered ${-lost} times to garbage`);
  }
  return null;
}

function pureNoise(driver: Driver, { options }: Conversation, random: Seeded): Finding[] {
  const opened: BusEvent = { type: "opened", atMs: monotonicMs(0), settings: {} };
  const noise = Array.from({ length: NOISE_BYTES / GARBAGE_BYTES_MAX }, (_, index): BusEvent => {
    return { type: "bytes", atMs: monotonicMs(index * 10), data: random.bytes(GARBAGE_BYTES_MAX) };
  });
  const run = playWithTimers(new Subject(driver, options), [opened, ...noise], AFTERMATH_MS);
  if (run.thrown !== null) return [{ check: "noise", where: "random bytes", message: `threw ${run.thrown}` }];
  const count = countData(run);
  return count <= FALSE_ANSWERS_MAX
    ? []
    : [{ check: "noise", where: "random bytes", message: `${count} answers to ${NOISE_BYTES} random bytes` }];
}
