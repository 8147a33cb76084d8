import type { BusEvent, ChannelSpec, Driver, DriverApi, Session, SessionSink } from "../../src/driver-api/index.ts";

const CHANNEL_NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const CHANNELS_MAX = 64;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Three ticks may be missed before the sensor counts as silent. */
const MISSED_TICKS = 3;
const TICK = "tick:";
const PASSAGE = "passage";
const PASSAGES = "passages";
const SPEED = "speed";
const PASSAGE_PAUSE_MS_MIN = 1;

const WAVEFORMS = ["sine", "square", "ramp", "constant", "noise"] as const;
/** Kinds of quantity whose values a waveform can be. */
const KINDS: readonly string[] = ["gauge", "level", "direction", "counter", "state"];

interface Wave {
  readonly quantity: string;
  readonly waveform: (typeof WAVEFORMS)[number];
  readonly min: number;
  readonly max: number;
  readonly periodMs: number;
  readonly everyMs: number;
  readonly resolution: number;
}

interface Traffic {
  readonly perHour: readonly number[];
  readonly patternMs: number;
  readonly towardsShare: number;
  readonly speedKmh: readonly [number, number];
}

interface Options {
  readonly seed: number;
  readonly channels: Readonly<Record<string, Wave>>;
  readonly passages?: Traffic | undefined;
}

/**
 * A linear congruential generator with the constants of Numerical Recipes (3rd edition §7.1.4, 32 bit): the same seed gives the
 * same street. It makes test data and nothing else; privacy noise never comes from here.
 */
class Lcg {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next number in [0, 1). */
  next(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  }
}

function toStep(value: number, resolution: number): number {
  if (resolution >= 1) return Math.round(value / resolution) * resolution;
  const stepsPerUnit = Math.round(1 / resolution);
  return Math.round(value * stepsPerUnit) / stepsPerUnit;
}

/** Where between 0 (min) and 1 (max) a waveform stands at `phase`, which goes from 0 to 1 over a period. */
function heightOf(waveform: Wave["waveform"], phase: number, random: Lcg): number {
  switch (waveform) {
    case "sine":
      return (1 + Math.sin(2 * Math.PI * phase)) / 2;
    case "square":
      return phase < 0.5 ? 1 : 0;
    case "ramp":
      return phase;
    case "constant":
      return 1;
    case "noise":
      return random.next();
  }
}

class Simulator implements Session {
  readonly #options: Options;
  readonly #random: Lcg;
  /** When the next value of each channel is due: ticks are counted from the first one, so that late timers do not add up. */
  readonly #dueMs = new Map<string, number>();

  constructor(options: Options) {
    this.#options = options;
    this.#random = new Lcg(options.seed);
  }

  handle(event: BusEvent, out: SessionSink): void {
    if (event.type === "opened") this.#opened(event.atMs, out);
    else if (event.type === "timer") this.#timer(event.name, event.atMs, out);
  }

  #opened(atMs: number, out: SessionSink): void {
    const everyMs = Object.values(this.#options.channels).map((wave) => wave.everyMs);
    out.expect(everyMs.length > 0 ? Math.max(...everyMs) * MISSED_TICKS : null);
    for (const [channel, wave] of Object.entries(this.#options.channels)) {
      this.#dueMs.set(channel, atMs + wave.everyMs);
      out.timer(TICK + channel, wave.everyMs);
    }
    if (this.#options.passages) this.#schedulePassage(this.#options.passages, out);
  }

  #timer(name: string, atMs: number, out: SessionSink): void {
    const { channels, passages } = this.#options;
    if (name === PASSAGE && passages) {
      this.#passage(passages, atMs, out);
      this.#schedulePassage(passages, out);
    } else if (name.startsWith(TICK)) {
      const channel = name.slice(TICK.length);
      const wave = Object.hasOwn(channels, channel) ? channels[channel] : undefined;
      if (wave !== undefined) this.#tick(channel, wave, atMs, out);
    }
  }

  #tick(channel: string, wave: Wave, atMs: number, out: SessionSink): void {
    const phase = (atMs % wave.periodMs) / wave.periodMs;
    const value = wave.min + (wave.max - wave.min) * heightOf(wave.waveform, phase, this.#random);
    // It comes by its own clock: life, also where the channel is of people.
    out.about({});
    out.reading(channel, toStep(value, wave.resolution));
    const nextMs = (this.#dueMs.get(channel) ?? atMs) + wave.everyMs;
    // After a long sleep of the machine the missed ticks are not made up.
    const dueMs = nextMs > atMs ? nextMs : atMs + wave.everyMs;
    this.#dueMs.set(channel, dueMs);
    out.timer(TICK + channel, dueMs - atMs);
  }

  /** The next candidate comes at the highest rate of the pattern; `#passage` thins them out to the rate of the hour. */
  #schedulePassage({ perHour }: Traffic, out: SessionSink): void {
    const pauseMs = (-Math.log(1 - this.#random.next()) * HOUR_MS) / Math.max(...perHour);
    out.timer(PASSAGE, Math.max(PASSAGE_PAUSE_MS_MIN, Math.round(pauseMs)));
  }

  #passage({ perHour, patternMs, towardsShare, speedKmh: [slowest, fastest] }: Traffic, atMs: number, out: SessionSink): void {
    const part = Math.floor(((atMs % patternMs) / patternMs) * perHour.length);
    if (this.#random.next() * Math.max(...perHour) >= (perHour[part] ?? 0)) return;
    const direction = this.#random.next() < towardsShare ? "towards" : "away";
    // The mean of three uniform numbers is bell-shaped, like the speeds of a street.
    const height = (this.#random.next() + this.#random.next() + this.#random.next()) / 3;
    out.passage(PASSAGES, { direction, speedKmh: toStep(slowest + (fastest - slowest) * height, 0.1) });
  }
}

function channelsOf({ channels, passages }: Options, { findQuantity }: DriverApi): readonly ChannelSpec[] {
  const waves = Object.entries(channels).map(([name, { quantity, min, max, resolution }]): ChannelSpec => {
    const known = findQuantity(quantity);
    const range = [Math.min(min, 0), max] as const;
    return { name, quantity, unit: known?.unit ?? "1", range, resolution, sensitivity: known?.floor ?? "presence" };
  });
  if (!passages) return waves;
  const people = { sensitivity: "presence" } as const;
  const cells = { directions: ["towards", "away"] } as const;
  return [
    ...waves,
    { name: PASSAGES, quantity: "passages", unit: "1", range: [0, 1], resolution: 1, cells, maxPerPassage: 1, ...people },
    { name: SPEED, quantity: "speed", unit: "km/h", range: [0, passages.speedKmh[1]], resolution: 0.1, ...people },
  ];
}

const EXAMPLE = {
  seed: 1,
  channels: { pm25: { quantity: "pm25", waveform: "sine", min: 4, max: 28, periodMs: 600_000, everyMs: 1_000, resolution: 0.1 } },
  passages: { perHour: [600, 1_800], patternMs: 600_000 },
};

function optionsSchema({ z, findQuantity }: DriverApi): Driver<Options>["options"] {
  const wave = z
    .strictObject({
      quantity: z
        .string()
        .refine((name) => KINDS.includes(findQuantity(name)?.kind ?? ""), "must be a quantity of the vocabulary that a number can be")
        .describe("What is pretended to be measured, from the vocabulary."),
      waveform: z.enum(WAVEFORMS).default("sine").describe("The form of the values over a period. `constant` stays at max."),
      min: z.number().default(0).describe("Lowest value, in the unit of the quantity."),
      max: z.number().describe("Highest value, in the unit of the quantity."),
      periodMs: z.int().positive().default(600_000).describe("Length of a period, milliseconds."),
      everyMs: z.int().min(10).default(1_000).describe("Time between two values, milliseconds."),
      resolution: z.number().positive().default(0.1).describe("Smallest step of a value."),
    })
    .refine(({ min, max }) => min < max || (min === 0 && max === 0), { path: ["max"], message: "must be greater than min" });
  const traffic = z.strictObject({
    perHour: z
      .array(z.number().min(0).max(36_000))
      .min(1)
      .max(CHANNELS_MAX)
      .refine((rates) => rates.some((rate) => rate > 0), "must hold a rate above 0")
      .describe("Mean number of passages per hour; several rates divide the pattern evenly."),
    patternMs: z.int().positive().default(DAY_MS).describe("After how long the pattern repeats, milliseconds."),
    towardsShare: z.number().min(0).max(1).default(0.5).describe("Share of the passages that go towards the sensor."),
    speedKmh: z
      .tuple([z.number().min(0), z.number().positive()])
      .default([15, 55])
      .describe("Lowest and highest speed in km/h; the middle is most frequent."),
  });
  return z
    .strictObject({
      seed: z.int().min(0).max(0xffffffff).default(1).describe("The same seed gives the same values and passages."),
      channels: z
        .record(z.string().regex(CHANNEL_NAME), wave)
        .refine((channels) => Object.keys(channels).length <= CHANNELS_MAX, `must hold at most ${CHANNELS_MAX} channels`)
        .default({})
        .describe("Channels with values, by name."),
      passages: traffic.optional().describe("Road users that pass by chance; gives the channels `passages` and `speed`."),
    })
    .refine(({ channels, passages }) => passages !== undefined || Object.keys(channels).length > 0, "must have channels or passages")
    .refine(
      ({ channels, passages }) => passages === undefined || !(PASSAGES in channels || SPEED in channels),
      "`passages` and `speed` are taken",
    )
    .meta({ examples: [EXAMPLE] });
}

/** A sensor without hardware: values and passages from a seed, on timers. Its summaries carry the flag `simulated`. */
export default (api: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "simulator",
  summary: "A sensor without hardware: waveforms and random passages from a seed",
  port: "simulator",
  options: optionsSchema(api),
  channels: (options) => channelsOf(options, api),
  start: (options) => new Simulator(options),
});
