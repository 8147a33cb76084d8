import { crc8Maxim, crc16Arc, crc16Ccitt, crc16Modbus, sum8, xor8 } from "./checksums.ts";
import { type DelimiterOptions, delimiterFramer } from "./delimiter-framer.ts";
import type { Framer } from "./framer.ts";
import { type HeaderOptions, headerFramer } from "./header-framer.ts";
import { pollGroups, registerNumber } from "./registers.ts";
import { type StuffedOptions, stuffedFramer } from "./stuffed-framer.ts";
import { type TelegramOptions, telegramFramer } from "./telegram-framer.ts";

/** Framers and checksums, as drivers are given them. */
export interface Framers {
  /** Frames that end with a delimiter: text lines. */
  delimiterFramer(options: DelimiterOptions): Framer;
  /** Frames that start with a header and whose length and validity their own bytes tell. */
  headerFramer(options: HeaderOptions): Framer;
  /** Text that starts with a byte of its own and tells its end: `$ … *47`, STX … ETX, `/ … !7EF9`. */
  telegramFramer(options: TelegramOptions): Framer;
  /** Frames between flag bytes, with stuffing inside: HDLC and its relatives. They arrive without flags and stuffing. */
  stuffedFramer(options: StuffedOptions): Framer;
  /** The number that begins at a register of a reply (port `modbus`). */
  readonly registerNumber: typeof registerNumber;
  /** Neighbours that are read with one question (port `modbus`). */
  readonly pollGroups: typeof pollGroups;
  readonly crc16Modbus: typeof crc16Modbus;
  readonly crc16Arc: typeof crc16Arc;
  readonly crc16Ccitt: typeof crc16Ccitt;
  readonly crc8Maxim: typeof crc8Maxim;
  readonly sum8: typeof sum8;
  readonly xor8: typeof xor8;
}

export const framers: Framers = {
  ...{ delimiterFramer, headerFramer, telegramFramer, stuffedFramer, registerNumber, pollGroups },
  ...{ crc16Modbus, crc16Arc, crc16Ccitt, crc8Maxim, sum8, xor8 },
};
