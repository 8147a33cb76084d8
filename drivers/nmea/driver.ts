import type {
  BusEvent,
  ChannelSpec,
  DiscardReason,
  Driver,
  DriverApi,
  Framer,
  FrameSink,
  Session,
  SessionSink,
} from "../../src/driver-api/index.ts";

// NMEA 0183, as it is widely described: the text of the standard is not public. Sentences GGA and RMC of any talker (GP, GN, GL …).

/** `$…*47` CR LF. A sentence has 82 characters at most; the rest is room for receivers that write more decimals. */
const DOLLAR = 0x24;
const STAR = 0x2a;
const LF = 0x0a;
const FRAME_BYTES_MAX = 128;
/** `*`, two hex digits, CR, LF. */
const TRAILER_BYTES = 5;

/** A receiver reports every second when delivered, some every 10 s; two reports may get lost. */
const EXPECT_WITHIN_MS = 30_000;

const SENTENCE = /^[A-Z]{2}(GGA|RMC),/;
const LATITUDE = /^(\d{2})(\d{2}(?:\.\d{1,8})?)$/;
const LONGITUDE = /^(\d{3})(\d{2}(?:\.\d{1,8})?)$/;
const DECIMAL = /^-?\d{1,5}(?:\.\d{1,4})?$/;
const DATE = /^\d{4}(\d{2})$/;
/** RMC: the mode in which a fix is valid. GGA: the quality that says that there is none. */
const VALID = "A";
const NO_FIX = "0";
/** GPS time begins in January 1980: two digits from 80 on are of the last century. */
const FIRST_YEAR = 1_980;
const CENTURY = 100;
/** Millionths of a degree are 0.1 m. */
const STEPS_PER_DEGREE = 1_000_000;
const MINUTES = 60;

// Where a node is carried, its installer is carried too: all of it is identifying, so that no policy lets it leave.
const FIX = { sensitivity: "identifying", publish: false } as const;
const CHANNELS: readonly ChannelSpec[] = [
  { name: "latitude", quantity: "gnss_latitude", unit: "deg", range: [-90, 90], resolution: 0.000_001, ...FIX },
  { name: "longitude", quantity: "gnss_longitude", unit: "deg", range: [-180, 180], resolution: 0.000_001, ...FIX },
  { name: "altitude", quantity: "gnss_altitude", unit: "m", range: [-500, 9_000], resolution: 0.1, ...FIX },
  { name: "satellites", quantity: "gnss_satellites", unit: "1", range: [0, 99], resolution: 1, ...FIX },
  { name: "hdop", quantity: "gnss_hdop", unit: "1", range: [0, 99.99], resolution: 0.01, ...FIX },
  { name: "year", quantity: "gnss_year", unit: "a", range: [FIRST_YEAR, FIRST_YEAR + CENTURY - 1], resolution: 1, ...FIX },
];

type Values = readonly (readonly [channel: string, value: number | null])[];

/** Degrees, null for a field that is empty, undefined for one that is wrong. `positive` is the hemisphere above zero. */
function parseAngle(form: RegExp, text = "", hemisphere = "", positive: string, negative: string): number | null | undefined {
  if (text === "" && hemisphere === "") return null;
  const [, degrees, minutes] = form.exec(text) ?? [];
  if (degrees === undefined || Number(minutes) >= MINUTES || (hemisphere !== positive && hemisphere !== negative)) return;
  const angle = Math.round((Number(degrees) + Number(minutes) / MINUTES) * STEPS_PER_DEGREE) / STEPS_PER_DEGREE;
  return hemisphere === negative && angle !== 0 ? -angle : angle;
}

function parseNumber(text = ""): number | null | undefined {
  if (text === "") return null;
  return DECIMAL.test(text) ? Number(text) : undefined;
}

/** `GGA,time,lat,N,lon,E,quality,satellites,hdop,altitude,M,…` */
function readGga(fields: readonly string[]): Values | null {
  const [, , latitude, north, longitude, east, quality = "", satellites, hdop, altitude] = fields;
  if (!/^\d$/.test(quality)) return null;
  const position = [
    ["latitude", parseAngle(LATITUDE, latitude, north, "N", "S")],
    ["longitude", parseAngle(LONGITUDE, longitude, east, "E", "W")],
    ["altitude", parseNumber(altitude)],
    ["satellites", parseNumber(satellites)],
    ["hdop", parseNumber(hdop)],
  ] as const;
  const values: [string, number | null][] = [];
  for (const [channel, value] of position) {
    if (value === undefined) return null;
    // Without a fix the fields may still hold the position of before. How many satellites are seen is true all the same.
    values.push([channel, quality === NO_FIX && channel !== "satellites" ? null : value]);
  }
  return values;
}

/** `RMC,time,status,lat,N,lon,E,speed,course,ddmmyy,…`: only the year, which shows a receiver that lost count of the weeks. */
function readRmc(fields: readonly string[]): Values | null {
  const [, , status, , , , , , , date = ""] = fields;
  if (status !== VALID) return status === "V" ? [["year", null]] : null;
  const twoDigits = DATE.exec(date)?.[1];
  if (twoDigits === undefined) return null;
  const sinceFirst = (Number(twoDigits) - (FIRST_YEAR % CENTURY) + CENTURY) % CENTURY;
  return [["year", FIRST_YEAR + sinceFirst]];
}

class Nmea implements Session, FrameSink {
  readonly #framer: Framer;
  #out: SessionSink | null = null;

  constructor(framer: Framer) {
    this.#framer = framer;
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") out.expect(EXPECT_WITHIN_MS);
    else if (event.type === "closed") this.#framer.reset(this);
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null) return;
    const sentence = String.fromCharCode(...bytes.subarray(start + 1, start + length - TRAILER_BYTES));
    const kind = SENTENCE.exec(sentence)?.[1];
    if (kind === undefined) return out.discard("unexpected", length);
    const fields = sentence.split(",");
    const values = kind === "GGA" ? readGga(fields) : readRmc(fields);
    if (values === null) return out.discard("syntax", length);
    // It reports with and without a fix: that is the sign of life.
    out.about({ model: "GNSS receiver" });
    for (const [channel, value] of values) out.reading(channel, value);
  }
}

/** A GNSS receiver, to see while a node is put up where it stands and whether its sky is clear. Never a stream, never the clock. */
export default ({ z, telegramFramer, xor8 }: DriverApi): Driver<Record<string, never>> => ({
  apiVersion: 1,
  name: "nmea",
  summary: "GNSS receiver with NMEA 0183, for putting up a node: position, satellites; nothing of it is published",
  testedWith: "reference sentences",
  port: "serial",
  serial: { baudRate: 9_600 },
  options: z.strictObject({}),
  channels: () => CHANNELS,
  start: () =>
    new Nmea(
      telegramFramer({
        first: DOLLAR,
        closing: [STAR],
        last: LF,
        frameBytesMax: FRAME_BYTES_MAX,
        // Exclusive or of what stands between `$` and `*`.
        isSound: (bytes, start, end) => {
          const star = end - TRAILER_BYTES;
          const [, sum] = /^\*([0-9A-F]{2})\r\n$/i.exec(String.fromCharCode(...bytes.subarray(Math.max(star, start), end))) ?? [];
          return sum !== undefined && xor8(bytes, start + 1, star) === Number.parseInt(sum, 16);
        },
      }),
    ),
});
