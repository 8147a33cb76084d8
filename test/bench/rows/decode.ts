import { measure } from "../child.ts";
import type { Decoded, DecodeInput } from "../children/decode.ts";
import { median, threeDigits } from "../figures.ts";
import type { Row } from "../row.ts";
import { LINE_DRIVERS } from "../world/conversations.ts";

/** Times faster than the line can speak. */
const REACH = 50;
/** What a sensor may cost among so many others, against one alone. */
const FLAT = 1.2;
const SENSORS = 1_000;
/** Start bit, eight data bits, stop bit. */
const BITS_PER_BYTE = 10;
/** Far above what is counted on GPIO: an anemometer in a storm has 60 closures a second, an S0 output 10. */
const EDGES_PER_SECOND_MAX = 1_000;
/** The fastest that a driver asks for a file. */
const FILES_PER_SECOND_MAX = 1;

/** Of a bus, whose rate is the operator's: the fastest that instruments are sold with. */
const BUS_BAUD_MAX = 115_200;

/** What the line can carry, in the unit of what is counted of it. */
function mostPerSecond({ port, baudRate }: Decoded): { readonly rate: number; readonly unit: string } {
  if (port === "gpio") return { rate: EDGES_PER_SECOND_MAX, unit: "edges" };
  if (port === "modbus") return { rate: BUS_BAUD_MAX / BITS_PER_BYTE, unit: "B" };
  return baudRate === null ? { rate: FILES_PER_SECOND_MAX, unit: "files" } : { rate: baudRate / BITS_PER_BYTE, unit: "B" };
}

const decodeRow = (driver: string): Row => ({
  name: `decode-${driver}`,
  what: `decoding, ${driver}; what one sensor costs among ${SENSORS.toLocaleString("en")}, against one alone`,
  reach: `>= ${REACH} x, <= ${FLAT} x`,
  against: "the most that its line can carry",
  async run(effort) {
    const input: DecodeInput = { driver, sensors: SENSORS, rounds: effort.of(5, 2), roundMs: effort.of(200, 40) };
    const decoded = await measure<Decoded>("decode", input);
    const { bytesPerPass, framesPerPass, edgesPerPass, oneUs, manyUs, file, port } = decoded;
    const { rate, unit } = mostPerSecond(decoded);
    const perPass = { edges: edgesPerPass, files: framesPerPass, B: bytesPerPass }[unit] ?? 0;
    const perSecond = (amount: number): number => (amount / median(oneUs)) * 1e6;
    const ratio = perSecond(perPass) / rate;
    const flat = median(manyUs.map((us, round) => us / (oneUs[round] ?? Number.NaN)));
    const bytes = port === "serial" || port === "modbus" ? `, ${threeDigits(perSecond(bytesPerPass) / 1e6)} MB/s` : "";
    const frames = `${threeDigits(perSecond(framesPerPass) / 1_000)} k ${port === "gpio" ? "edges" : "frames"}/s`;
    return {
      measured: `${frames}${bytes}; ${threeDigits(flat)} x`,
      baseline: `${rate.toLocaleString("en")} ${unit}/s`,
      ratio,
      isReached: ratio >= REACH && flat <= FLAT,
      details: { file, sensors: SENSORS, bytesPerPass, framesPerPass, edgesPerPass, cpuUsOfAPass: { one: oneUs, many: manyUs } },
    };
  },
});

/** One for each driver. */
export const decodeRows: readonly Row[] = LINE_DRIVERS.map(decodeRow);
