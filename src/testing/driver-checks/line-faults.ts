import { findQuantity } from "../../core/reading/quantity.ts";
import { type MonotonicMs, monotonicMs } from "../../core/units/time.ts";
import type { BusEvent, ChannelSpec, Driver } from "../../driver-api/driver.ts";
import type { Answer } from "../../driver-api/golden.ts";
import { answerProblem, type Conversation, type Finding, isData, Subject } from "./evidence.ts";
import { countData, playWithTimers, type Run, repeated } from "./playback.ts";
import type { Seeded } from "./seeded.ts";
import { atOtherRate, collision } from "./uart.ts";

/** How often a bit falls over on a bad line. */
const BIT_ERRORS = 1e-3;
/**
 * Of the values said on lines with faults, so many may be wrong. An 8-bit sum passes one damaged frame in 256; with one bit in a
 * thousand a frame of 10 bytes is damaged one time in twelve.
 */
const WRONG_SHARE_MAX = 1 / 1_000;
/** How much later than the first byte another device begins to speak into a frame, in bit times. */
const OFFSET_BITS_MAX = 60;
const TRIALS = 8;
/** So many values of each file are told on a bad line, or as many as come in so many runs: fewer would show no share. */
const NOISY_ANSWERS_MIN = 1_000;
const NOISY_RUNS_MAX = 50;
/** A fault may cost the frame it runs into and the one after it. */
const FRAMES_TO_RESYNCHRONISE = 2;
/** A short golden file is repeated until it holds this many answers. */
const DATA_ANSWERS_MIN = 20;
const REPEATS_MAX = 50;
const AFTERMATH_MS = 20_000;
/** Rates that a port is set to by mistake, besides the half and the double. */
const USUAL_RATES = [9_600, 115_200] as const;
/** Of the bytes at a wrong rate, so many may be neither discarded nor part of a value: ends of empty lines, answers to commands. */
const UNTOLD_SHARE_MAX = 0.05;

/** What devices print when they start: zeros of a line that comes up, a boot loader, a name, a version that looks like a value. */
const BANNER = new TextEncoder().encode(
  "\0\0\r\nBoot 2.04 (12:31:07)\r\n*** RESET 0x10: brown-out\r\nMODEL X-200, FW 1.7.3, 21.5 C\r\nReady\r\n>",
);

/** One way to disturb a line: the events that arrive, from which of them on the line is clean, and how many of its own events were hit. */
interface Disturbed {
  readonly how: string;
  readonly events: readonly BusEvent[];
  readonly hit: number;
}

/** Values on lines with faults, over all files of a driver. */
interface Tally {
  said: number;
  wrong: number;
  example: string;
}

/** What a driver says on a clean line. */
interface Clean {
  readonly conversation: Conversation;
  readonly events: readonly BusEvent[];
  readonly count: number;
  readonly mostPerEvent: number;
  /** Every value that is said, by channel. */
  readonly truth: ReadonlySet<string>;
}

/**
 * Lines with faults: a wrong rate, a second device, an unplug in mid-frame, a reboot with its text, bits that fall over. A driver does
 * not throw, says nothing that it would not say on the clean line (unless it declares `unchecked`), counts what it drops, and is
 * back within two frames.
 */
export function checkLineFaults(
  driver: Driver,
  conversations: readonly Conversation[],
  foreign: readonly Conversation[],
  random: Seeded,
): Finding[] {
  if (driver.port !== "serial") return [];
  const findings: Finding[] = [];
  const tally: Tally = { said: 0, wrong: 0, example: "" };
  for (const conversation of conversations) {
    const clean = cleanRun(driver, conversation);
    if (clean === null) continue;
    const found =
      wrongRates(driver, clean) ?? disturbances(driver, clean, foreign, random, tally) ?? noisyLine(driver, clean, random, tally);
    if (found !== null) findings.push(found);
  }
  if (driver.unchecked === undefined && tally.wrong > Math.max(1, tally.said * WRONG_SHARE_MAX)) {
    const { wrong, said, example } = tally;
    const message = `said ${wrong} wrong values among ${said}, such as ${example}: without a checksum, say so as unchecked`;
    findings.push({ check: "line", where: "lines with faults", message });
  }
  return findings;
}

function cleanRun(driver: Driver, conversation: Conversation): Clean | null {
  const answersOf = (times: number) =>
    playWithTimers(new Subject(driver, conversation.options), repeated(conversation, times), AFTERMATH_MS);
  const once = countData(answersOf(1));
  if (once === 0) return null;
  const times = Math.min(REPEATS_MAX, Math.ceil(DATA_ANSWERS_MIN / once));
  const run = answersOf(times);
  return {
    conversation,
    events: repeated(conversation, times),
    count: countData(run),
    mostPerEvent: Math.max(...run.answers.map((answers) => answers.filter(isData).length)),
    truth: new Set(valuesOf(run, conversation.channels).map(({ text }) => text)),
  };
}

/** What can be told from the bytes alone: passages and states hang on what was seen before as well. */
function valuesOf({ answers }: Run, channels: readonly ChannelSpec[]): { readonly text: string }[] {
  return answers.flat().flatMap((answer) => {
    if (answer.call !== "reading" && answer.call !== "total") return [];
    const spec = channels.find(({ name }) => name === answer.channel);
    // What ingest drops, and counts, is not said.
    const isIn = spec !== undefined && answer.value !== null && answer.value >= spec.range[0] && answer.value <= spec.range[1];
    const isState = spec !== undefined && findQuantity(spec.quantity)?.kind === "state";
    return isState || (answer.call === "reading" && !isIn) ? [] : [{ text: `${answer.channel} ${answer.value}` }];
  });
}

/** Enters what was said on a line with faults. */
function take(run: Run, { conversation, truth }: Clean, how: string, tally: Tally): void {
  for (const { text } of valuesOf(run, conversation.channels)) {
    tally.said++;
    if (truth.has(text)) continue;
    tally.wrong++;
    tally.example ||= `${text} (${conversation.name}, ${how})`;
  }
}

const shifted = (events: readonly BusEvent[], byMs: number): BusEvent[] =>
  events.map((event) => ({ ...event, atMs: monotonicMs(event.atMs + byMs) }));

const endOf = (events: readonly BusEvent[]): number => events.at(-1)?.atMs ?? 0;
const closedAt = (atMs: number): BusEvent => ({ type: "closed", atMs: monotonicMs(atMs), reason: "gone" });

/** The port is opened, before whatever the file begins with. */
function opening(events: readonly BusEvent[], atMs: number): BusEvent[] {
  const opened = events.find(({ type }) => type === "opened") ?? { type: "opened" as const, atMs: monotonicMs(0), settings: {} };
  return [{ ...opened, atMs: monotonicMs(atMs) }];
}

/** The whole conversation at another rate, then the port is closed, opened as it should be, and the conversation is had once more. */
function wrongRates(driver: Driver, { conversation, events, count, mostPerEvent }: Clean): Finding | null {
  const sent = driver.serial;
  if (sent === undefined) return null;
  const rates = new Set([sent.baudRate / 2, sent.baudRate * 2, ...USUAL_RATES.filter((rate) => rate !== sent.baudRate)]);
  for (const rate of rates) {
    const complain = (message: string): Finding => ({
      check: "line",
      where: conversation.name,
      message: `${message} (heard at ${rate} baud)`,
    });
    const garbled = events.map((event) => (event.type === "bytes" ? { ...event, data: atOtherRate(event.data, sent, rate) } : event));
    const endMs = endOf(events) + 1_000;
    const subject = new Subject(driver, conversation.options);
    const wrong = playWithTimers(subject, [...opening(events, 0), ...garbled, closedAt(endMs)], 0);
    if (wrong.thrown !== null) return complain(`threw ${wrong.thrown}`);
    const said = countData(wrong);
    if (said > 0) return complain(`said ${said} values, first "${JSON.stringify(wrong.answers.flat().find(isData))}"`);
    const untold = untoldBytes(wrong, garbled);
    if (untold < 0) return complain(`discarded ${-untold} bytes more than came`);
    if (untold > bytesIn(garbled) * UNTOLD_SHARE_MAX + 1)
      return complain(`${untold} of ${bytesIn(garbled)} bytes are neither used nor discarded`);
    const right = playWithTimers(subject, shifted([...opening(events, 0), ...events], endMs + 1_000), AFTERMATH_MS);
    if (right.thrown !== null) return complain(`threw ${right.thrown}, back at the right rate`);
    const lost = count - countData(right);
    if (lost > FRAMES_TO_RESYNCHRONISE * mostPerEvent) return complain(`lost ${lost} of ${count} answers after it`);
  }
  return null;
}

const bytesIn = (events: readonly BusEvent[]): number =>
  events.reduce((sum, event) => sum + (event.type === "bytes" ? event.data.length : 0), 0);
const discardedIn = (run: Run): number =>
  run.answers.flat().reduce((sum, answer: Answer) => sum + (answer.call === "discard" ? answer.byteCount : 0), 0);
const untoldBytes = (run: Run, events: readonly BusEvent[]): number => bytesIn(events) - discardedIn(run);

function disturbances(driver: Driver, clean: Clean, foreign: readonly Conversation[], random: Seeded, tally: Tally): Finding | null {
  const { conversation, events, count, mostPerEvent } = clean;
  for (let trial = 0; trial < TRIALS; trial++) {
    for (const { how, events: disturbed, hit } of [
      secondInstrument(driver, events, foreign, random),
      secondOfItsKind(driver, events, random),
      unplugged(events, random),
      rebooted(events, random),
    ]) {
      const complain = (message: string): Finding => ({ check: "line", where: conversation.name, message: `${message} (${how})` });
      const run = playWithTimers(new Subject(driver, conversation.options), disturbed, AFTERMATH_MS);
      if (run.thrown !== null) return complain(`threw ${run.thrown}`);
      const problem = run.answers
        .flat()
        .map((answer) => answerProblem(answer, conversation.channels))
        .find((each) => each !== null);
      if (problem) return complain(problem);
      if (untoldBytes(run, disturbed) < 0) return complain("discarded more bytes than came");
      take(run, clean, how, tally);
      const lost = count - countData(run);
      if (lost > (hit + FRAMES_TO_RESYNCHRONISE) * mostPerEvent)
        return complain(`lost ${lost} of ${count} answers, and ${hit} events were hit`);
    }
  }
  return null;
}

const placesOf = (events: readonly BusEvent[]): number[] =>
  events.flatMap((event, index) => (event.type === "bytes" && event.data.length > 0 ? [index] : []));
const bytesAt = (events: readonly BusEvent[], place: number): Uint8Array => {
  const event = events[place];
  return event?.type === "bytes" ? event.data : new Uint8Array();
};
const timeAt = (events: readonly BusEvent[], place: number): MonotonicMs => events[place]?.atMs ?? monotonicMs(0);
const somePlace = (events: readonly BusEvent[], random: Seeded): number => {
  const places = placesOf(events);
  return places[random.below(places.length)] ?? 0;
};

/** Two that speak at once. */
const collided = ({ serial }: Driver, a: Uint8Array, b: Uint8Array, random: Seeded): Uint8Array =>
  collision(a, b, serial ?? { baudRate: USUAL_RATES[0] }, random.below(OFFSET_BITS_MAX));

/** Another instrument speaks: into one frame, and then by itself. */
function secondInstrument(driver: Driver, events: readonly BusEvent[], foreign: readonly Conversation[], random: Seeded): Disturbed {
  const place = somePlace(events, random);
  const other = foreign[random.below(Math.max(1, foreign.length))];
  const theirs =
    other === undefined
      ? [BANNER]
      : placesOf(other.file.steps.map(({ event }) => event)).map((at) =>
          bytesAt(
            other.file.steps.map(({ event }) => event),
            at,
          ),
        );
  const first = theirs[0] ?? BANNER;
  const atMs = timeAt(events, place);
  const collision: BusEvent = { type: "bytes", atMs, data: collided(driver, bytesAt(events, place), first, random) };
  const others = theirs.slice(1, 4).map((data): BusEvent => ({ type: "bytes", atMs, data }));
  const disturbed = events.toSpliced(place, 1, collision, ...others);
  return { how: `${other?.name ?? "a second instrument"} speaks into event ${place + 1}`, events: disturbed, hit: 1 };
}

/** An instrument of the same kind answers as well: one frame of it whole, one into a frame of ours. */
function secondOfItsKind(driver: Driver, events: readonly BusEvent[], random: Seeded): Disturbed {
  const place = somePlace(events, random);
  const atMs = timeAt(events, place);
  const whole: BusEvent = { type: "bytes", atMs, data: bytesAt(events, somePlace(events, random)) };
  const collision: BusEvent = {
    type: "bytes",
    atMs,
    data: collided(driver, bytesAt(events, place), bytesAt(events, somePlace(events, random)), random),
  };
  return { how: `a second one of its kind at event ${place + 1}`, events: events.toSpliced(place, 1, whole, collision), hit: 1 };
}

/** Part of a frame, then nothing; the port is opened again, and the device begins anew. */
function unplugged(events: readonly BusEvent[], random: Seeded): Disturbed {
  const place = somePlace(events, random);
  const data = bytesAt(events, place);
  const atMs = timeAt(events, place);
  const half: BusEvent = { type: "bytes", atMs, data: data.subarray(0, random.below(data.length)) };
  const again = shifted([...opening(events, 0), ...events], atMs + 2_000);
  return {
    how: `unplugged within event ${place + 1}`,
    events: [...opening(events, 0), ...events.slice(0, place), half, closedAt(atMs), ...again],
    hit: 0,
  };
}

/** Part of a frame, the text of a start, and on it goes. */
function rebooted(events: readonly BusEvent[], random: Seeded): Disturbed {
  const place = somePlace(events, random);
  const data = bytesAt(events, place);
  const cut = Uint8Array.from([...data.subarray(0, random.below(data.length)), ...BANNER]);
  return {
    how: `a reboot within event ${place + 1}`,
    events: events.toSpliced(place, 1, { type: "bytes", atMs: timeAt(events, place), data: cut }),
    hit: 1,
  };
}

/** Bits fall over, all along. */
function noisyLine(driver: Driver, clean: Clean, random: Seeded, tally: Tally): Finding | null {
  const { conversation, events, count } = clean;
  const runs = Math.min(NOISY_RUNS_MAX, Math.ceil(NOISY_ANSWERS_MIN / count));
  for (let round = 0; round < runs; round++) {
    const noisy = events.map((event) => (event.type === "bytes" ? { ...event, data: flipped(event.data, random) } : event));
    const run = playWithTimers(new Subject(driver, conversation.options), noisy, AFTERMATH_MS);
    const complain = (message: string): Finding => ({
      check: "line",
      where: conversation.name,
      message: `${message} (bits that fall over)`,
    });
    if (run.thrown !== null) return complain(`threw ${run.thrown}`);
    if (untoldBytes(run, noisy) < 0) return complain("discarded more bytes than came");
    take(run, clean, "bits that fall over", tally);
  }
  return null;
}

/** With a resolution of a millionth. */
const MILLION = 1_000_000;

function flipped(bytes: Uint8Array, random: Seeded): Uint8Array {
  const copy = bytes.slice();
  for (let at = 0; at < copy.length; at++) {
    for (let bit = 0; bit < 8; bit++) if (random.below(MILLION) < BIT_ERRORS * MILLION) copy[at] = (copy[at] as number) ^ (1 << bit);
  }
  return copy;
}
