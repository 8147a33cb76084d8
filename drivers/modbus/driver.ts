import type {
  BusEvent,
  ChannelSpec,
  Driver,
  DriverApi,
  Quantity,
  RegisterRange,
  RegisterTable,
  RegisterType,
  SerialSettings,
  Session,
  SessionSink,
  WordOrder,
} from "../../src/driver-api/index.ts";

// "AP" is the MODBUS Application Protocol Specification V1.1b3.

type Type = RegisterType | "bit";

/** One channel: where it stands in the unit, and what it means. */
type Field = ReturnType<typeof fieldShape>["_output"];

type Options = ReturnType<typeof optionsShape>["_output"];

const CHANNELS_MAX = 64;
const EVERY_SECONDS_MAX = 3_600;
/** Most registers of one answer: AP §6.3. Of bits 2,000 would fit (AP §6.1); a driver that needs more than these many asks twice. */
const COUNT_MAX = 125;
const ADDRESSES = 65_536;
const REGISTER_BITS = 16;
/** Two answers may get lost before the unit counts as silent, and on a busy bus others come first. */
const MISSED_ANSWERS = 3;
const SILENT_MS_MIN = 5_000;
/** AP §7: the unit does not know the function, the address or the count. That does not pass by itself. */
const LASTING_EXCEPTIONS: readonly number[] = [1, 2, 3];
const EXCEPTIONS_IN_A_ROW = 3;
/** More digits than any instrument has; fewer than a double: 549 * 0.1 is 54.9. */
const DIGITS = 12;

const CHANNEL_NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const KINDS: readonly string[] = ["gauge", "level", "direction", "counter", "state"];
const WIDTHS: Readonly<Record<Type, number>> = { u16: 1, s16: 1, bit: 1, u32: 2, s32: 2, f32: 2, u64: 4, s64: 4, f64: 4 };

const isBits = (table: RegisterTable): boolean => table === "coil" || table === "discrete";
const typeOf = ({ type, table, bit }: Pick<Field, "type" | "table" | "bit">): Type =>
  type ?? (isBits(table) || bit !== undefined ? "bit" : "u16");
const widthOf = (field: Field): number => (isBits(field.table) ? 1 : WIDTHS[typeOf(field)]);

const PLAIN = { order: "abcd" as const, scale: 1, offset: 0, invalid: [] };
const sensecap = (address: number, quantity: string, range: [number, number], resolution: number, scale = 0.001): Field => ({
  ...{ ...PLAIN, table: "input", type: "s32", address, quantity, range, resolution, scale },
});
const eastron = (address: number, quantity: "energy" | "power", more: Partial<Field>): Field => ({
  ...{ ...PLAIN, table: "input", type: "f32", address, quantity, range: [-1e6, 1e6], resolution: 1, ...more },
});
const TOTAL_KWH: Partial<Field> = { counts: "total", range: [0, 1e6], resolution: 0.01 };
const EASTRON = {
  import: eastron(0x48, "energy", TOTAL_KWH),
  export: eastron(0x4a, "energy", TOTAL_KWH),
};

/** What is known of some instruments. Sources are in the README. */
const PROFILES = {
  // Sonbest SM7901 and the many like it: register 0 is dB times 10. 30 to 130 dB.
  "noise-dbx10": {
    countMax: COUNT_MAX,
    channels: { laf: { ...PLAIN, table: "holding", address: 0, quantity: "sound_level", scale: 0.1, range: [30, 130], resolution: 0.1 } },
  },
  // Seeed SenseCAP ONE user manual §4.1.2: int32 thousandths, pressure in thousandths of a pascal.
  "sensecap-one": {
    countMax: COUNT_MAX,
    channels: {
      temperature: sensecap(0x00, "temperature", [-40, 85], 0.01),
      humidity: sensecap(0x02, "humidity", [0, 100], 0.01),
      pressure: sensecap(0x04, "pressure", [300, 1_250], 0.1, 0.00001),
      illuminance: sensecap(0x06, "illuminance", [0, 188_000], 1),
      wind_direction: sensecap(0x0c, "wind_direction", [0, 360], 0.1),
      wind_speed: sensecap(0x12, "wind_speed", [0, 60], 0.1),
    },
  },
  // Eastron SDM120 and SDM230: input registers, floats, 30 of them at most in one answer.
  sdm120: { countMax: 60, channels: { power: eastron(0x0c, "power", {}), ...EASTRON } },
  sdm630: { countMax: 60, channels: { power: eastron(0x34, "power", {}), ...EASTRON } },
} satisfies Record<string, { countMax: number; channels: Record<string, Field> }>;
type ProfileName = keyof typeof PROFILES;
const PROFILE_NAMES = Object.keys(PROFILES) as ProfileName[];

const fieldsOf = ({ profile, channels }: Pick<Options, "profile" | "channels">): Readonly<Record<string, Field>> => ({
  ...(profile === undefined ? {} : PROFILES[profile].channels),
  ...channels,
});

/** A channel, and where it stands. */
interface Reader {
  readonly channel: string;
  readonly field: Field;
  readonly registers: RegisterRange;
}

/** What is read with one question. */
interface Group {
  readonly tag: string;
  readonly registers: RegisterRange;
  readonly everyMs: number;
  readonly readers: readonly Reader[];
}

/** Channels that are read equally often, where they are neighbours. */
function groupsOf(options: Options, { pollGroups }: DriverApi): readonly Group[] {
  const { profile, gapMax } = options;
  const countMax = Math.min(options.countMax, profile === undefined ? COUNT_MAX : PROFILES[profile].countMax);
  const everyMsOf = ({ everySeconds = options.everySeconds }: Field): number => everySeconds * 1_000;
  const readers = Object.entries(fieldsOf(options)).map(([channel, field]): Reader => {
    return { channel, field, registers: { table: field.table, address: field.address, count: widthOf(field) } };
  });
  return [...new Set(readers.map(({ field }) => everyMsOf(field)))].flatMap((everyMs) => {
    const groups = pollGroups(
      readers.filter(({ field }) => everyMsOf(field) === everyMs),
      { gapMax, countMax },
    );
    return groups.map(({ registers, items }): Group => {
      return { tag: `${registers.table}:${registers.address}:${everyMs / 1_000}s`, registers, everyMs, readers: items };
    });
  });
}

const rounded = (value: number): number => Number(value.toPrecision(DIGITS));

/** Where a running total begins again: after the last number of its registers. Floats do not roll over, and 64 bits never do. */
function modulusOf(field: Field): number | null {
  if (field.modulus !== undefined) return field.modulus;
  const type = typeOf(field);
  if (type !== "u16" && type !== "u32") return null;
  return rounded(2 ** (WIDTHS[type] * REGISTER_BITS) * field.scale);
}

class ModbusUnit implements Session {
  readonly #registerNumber: DriverApi["registerNumber"];
  readonly #groups: readonly Group[];
  readonly #timeoutMs: number;
  /** Groups that were asked and not answered yet. */
  readonly #open = new Set<string>();
  /** By group: refusals in a row. */
  readonly #refused = new Map<string, number>();

  constructor(api: DriverApi, options: Options) {
    this.#registerNumber = api.registerNumber;
    this.#groups = groupsOf(options, api);
    this.#timeoutMs = options.timeoutMs;
  }

  handle(event: BusEvent, out: SessionSink): void {
    if (event.type === "opened") this.#opened(out);
    else if (event.type === "timer") this.#poll(event.name, out);
    else if (event.type === "reply") this.#replied(event.tag, event.data, out);
    else if (event.type === "noReply") {
      this.#open.delete(event.tag);
      if (event.reason === "exception") this.#excepted(event.tag, event.code ?? 0, out);
    } else if (event.type === "closed") this.#open.clear();
  }

  #opened(out: SessionSink): void {
    this.#open.clear();
    this.#refused.clear();
    const slowestMs = Math.max(...this.#groups.map(({ everyMs }) => everyMs));
    out.expect(Math.max(MISSED_ANSWERS * slowestMs, SILENT_MS_MIN));
    for (const everyMs of new Set(this.#groups.map((group) => group.everyMs))) this.#poll(timerOf(everyMs), out);
  }

  /** A group that is not answered yet is not asked again: the bus is slower than the operator wants it. */
  #poll(timer: string, out: SessionSink): void {
    const due = this.#groups.filter(({ everyMs }) => timerOf(everyMs) === timer);
    for (const { tag, registers } of due) {
      if (this.#open.has(tag)) continue;
      this.#open.add(tag);
      out.request(tag, { registers }, this.#timeoutMs);
    }
    if (due[0] !== undefined) out.timer(timer, due[0].everyMs);
  }

  #replied(tag: string, data: Uint8Array, out: SessionSink): void {
    const group = this.#groups.find((each) => each.tag === tag);
    if (group === undefined) return;
    this.#open.delete(tag);
    this.#refused.delete(tag);
    const { table, count } = group.registers;
    if (data.length !== (isBits(table) ? Math.ceil(count / 8) : count * 2)) {
      if (data.length > 0) out.discard("length", data.length);
      return;
    }
    for (const reader of group.readers) {
      const raw = this.#raw(data, reader, reader.registers.address - group.registers.address);
      emit(reader, raw, out);
    }
  }

  /** `at`: in registers or bits from the beginning of the reply. */
  #raw(data: Uint8Array, { field }: Reader, at: number): number {
    if (isBits(field.table)) return ((data[at >> 3] ?? 0) >> (at & 7)) & 1;
    const type = typeOf(field);
    if (type !== "bit") return this.#registerNumber(data, at, type, field.order);
    return (this.#registerNumber(data, at, "u16", field.order) >> (field.bit ?? 0)) & 1;
  }

  #excepted(tag: string, code: number, out: SessionSink): void {
    if (!LASTING_EXCEPTIONS.includes(code) || !this.#groups.some((group) => group.tag === tag)) return;
    const times = (this.#refused.get(tag) ?? 0) + 1;
    this.#refused.set(tag, times);
    if (times === EXCEPTIONS_IN_A_ROW) out.fault(`modbus-exception-${code}`, "reopen");
  }
}

const timerOf = (everyMs: number): string => `poll-${everyMs}`;

function emit({ channel, field }: Reader, raw: number, out: SessionSink): void {
  const { scale, offset, invalid, counts } = field;
  // A float that is not a number is how a unit says that it has none.
  const isNone = !Number.isFinite(raw) || invalid.includes(raw);
  if (counts === "total") {
    const modulus = modulusOf(field);
    if (!isNone) out.total(channel, rounded(raw * scale), modulus === null ? undefined : { modulus });
  } else out.reading(channel, isNone ? null : rounded(raw * scale + offset));
}

const TYPES = ["u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "bit"] as const satisfies readonly Type[];
const ORDERS = ["abcd", "cdab", "badc", "dcba"] as const satisfies readonly WordOrder[];
const TABLES = ["holding", "input", "coil", "discrete"] as const satisfies readonly RegisterTable[];

function fieldShape({ z }: DriverApi) {
  const whole = (min: number, max: number) => z.int().min(min).max(max);
  return z.strictObject({
    quantity: z.string().min(1).describe("What it measures, from the vocabulary. It decides the unit and the sensitivity."),
    unit: z.string().optional().describe("UCUM unit of the scaled value. Needed only when the vocabulary lacks the quantity."),
    table: z.enum(TABLES).default("holding").describe("Which table: registers, or single bits."),
    address: whole(0, ADDRESSES - 1).describe("Address as on the wire, from 0: 40001 and 30001 of manuals are 0 of holding and input."),
    type: z.enum(TYPES).optional().describe("Unsigned, signed or float of so many bits, or a bit. Default u16; of coil and discrete bit."),
    bit: whole(0, REGISTER_BITS - 1)
      .optional()
      .describe("Which bit of a register, 0 is the lowest. Makes type bit."),
    order: z
      .enum(ORDERS)
      .default("abcd")
      .describe("abcd: high byte first; cdab: low word first; badc: bytes swapped; dcba: low byte first."),
    scale: z.number().default(1).describe("Factor from the number to the unit of the quantity."),
    offset: z.number().default(0).describe("Is added after scaling."),
    range: z
      .tuple([z.number(), z.number()])
      .default([-1e9, 1e9])
      .describe("Lowest and highest scaled value the instrument can report; others are counted and dropped."),
    resolution: z.number().positive().default(0.01).describe("Smallest step of the scaled value; summaries are rounded to it."),
    invalid: z.array(z.number()).max(16).default([]).describe("Numbers, before scaling, that mean that there is no value."),
    counts: z.enum(["increments", "total"]).optional().describe("For counters: what is new since the last answer, or a running total."),
    modulus: z
      .number()
      .positive()
      .optional()
      .describe("Of a total: at which scaled value it begins again. Default: after the last u16 or u32."),
    everySeconds: whole(1, EVERY_SECONDS_MAX).optional().describe("How often it is read, where not as often as the others."),
  });
}

type Complain = (path: string, message: string) => void;

function checkPlace(field: Field, complain: Complain): void {
  const { table, bit, address } = field;
  const type = typeOf(field);
  if (isBits(table) && type !== "bit") complain("type", `must be bit: table ${table} holds nothing else`);
  if (isBits(table) && bit !== undefined) complain("bit", `goes with registers; in table ${table} the address is the bit`);
  if (type !== "bit" && bit !== undefined) complain("bit", `goes with type: bit, not with ${type}`);
  if (type === "bit" && bit === undefined && !isBits(table)) complain("bit", "is missing: which bit of the register, 0 to 15");
  if (address + widthOf(field) > ADDRESSES) complain("address", `has no room for ${type}: the last address is ${ADDRESSES - 1}`);
}

function checkMeaning(field: Field, known: Quantity | null, complain: Complain): void {
  const { quantity, unit, range, counts, modulus } = field;
  if (known === null && unit === undefined) complain("unit", `is needed: "${quantity}" is not in the vocabulary`);
  if (known !== null && (unit ?? known.unit) !== known.unit) complain("unit", `${quantity} is in ${known.unit}; use scale to convert`);
  if (known !== null && !KINDS.includes(known.kind)) complain("quantity", `${quantity} is not one number of a register`);
  if ((known?.kind === "counter") !== (counts !== undefined)) complain("counts", "belongs to counters, and counters need it");
  if (modulus !== undefined && counts !== "total") complain("modulus", "goes with counts: total only");
  if (range[0] >= range[1]) complain("range", "must be [lowest, highest]");
}

const EXAMPLE = {
  everySeconds: 10,
  channels: {
    laeq: { quantity: "sound_level", address: 0, scale: 0.1, range: [30, 130], resolution: 0.1, everySeconds: 1 },
    temperature: { quantity: "temperature", table: "input", address: 2, type: "s16", scale: 0.1, range: [-40, 85] },
  },
};

function optionsShape(api: DriverApi) {
  const { z } = api;
  const whole = (min: number, max: number) => z.int().min(min).max(max);
  const field = fieldShape(api).superRefine((each, context) => {
    const complain: Complain = (path, message) => context.addIssue({ code: "custom", path: [path], message });
    checkPlace(each, complain);
    checkMeaning(each, api.findQuantity(each.quantity), complain);
  });
  const line = z.strictObject({
    baud: z.int().positive().optional().describe("Bits per second."),
    parity: z.enum(["none", "even", "odd"]).optional().describe("Parity."),
    stopBits: z.literal([1, 2]).optional().describe("Stop bits."),
  });
  return z.strictObject({
    profile: z.enum(PROFILE_NAMES).optional().describe("An instrument whose registers are known: see below."),
    channels: z
      .record(z.string().regex(CHANNEL_NAME), field)
      .default({})
      .describe("The channels, each with its place in the unit. Beside a profile: more of them, or others in place of its own."),
    everySeconds: whole(1, EVERY_SECONDS_MAX).default(10).describe("How often the unit is read."),
    timeoutMs: whole(10, 10_000).default(500).describe("How long the unit may take to begin its answer."),
    gapMax: whole(0, COUNT_MAX).default(16).describe("How many unused registers may be read along, to read with fewer questions."),
    countMax: whole(1, COUNT_MAX).default(COUNT_MAX).describe("Most registers that the unit gives in one answer."),
    line: line.optional().describe("What the unit is set to, as far as you know: `stoep check` compares it with the bus."),
  });
}

function checkOptions(options: Options, complain: Complain): void {
  const count = Object.keys(fieldsOf(options)).length;
  if (count === 0) complain("channels", "is missing: name what is read, or a profile");
  if (count > CHANNELS_MAX) complain("channels", `must be at most ${CHANNELS_MAX} channels`);
  for (const [name, field] of Object.entries(options.channels)) {
    if (widthOf(field) > options.countMax) complain("countMax", `is smaller than channel ${name}`);
  }
}

/** Any instrument that speaks Modbus RTU, by a map of its registers. */
export default (api: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "modbus",
  summary: "Any instrument that speaks Modbus RTU on RS485, by its registers; profiles for sound, weather and energy meters",
  port: "modbus",
  testedWith: "frames of makers, constructed replies",
  generic: true,
  options: optionsShape(api)
    .superRefine((options, context) => {
      checkOptions(options, (path, message) => context.addIssue({ code: "custom", path: [path], message }));
    })
    .meta({ examples: [EXAMPLE, { profile: "sdm120" }] }),
  unitLine: ({ line: { baud, ...others } = {} }): Partial<SerialSettings> =>
    ({ ...others, ...(baud && { baudRate: baud }) }) as Partial<SerialSettings>,
  channels: (options) =>
    Object.entries(fieldsOf(options)).map(([name, { quantity, unit, range, resolution }]): ChannelSpec => {
      const known = api.findQuantity(quantity);
      // One that is not in the vocabulary is presence all the same, until the operator says `because:` (src/config).
      return { name, quantity, unit: known?.unit ?? unit ?? "1", range, resolution, sensitivity: known?.floor ?? "environmental" };
    }),
  start: (options) => new ModbusUnit(api, options),
});
