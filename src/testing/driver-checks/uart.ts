import type { SerialSettings } from "../../core/units/port.ts";

// Levels of an idle or marking line and of a start bit (EIA-232: mark and space).
const MARK = 1;
const SPACE = 0;

/** The levels of a line, one for each bit time of the sender: start bit, data with the lowest bit first, parity, stop bits. */
export function bitsOf(bytes: Uint8Array, { dataBits = 8, parity = "none", stopBits = 1 }: SerialSettings): Uint8Array {
  const perByte = 1 + dataBits + (parity === "none" ? 0 : 1) + stopBits;
  const bits = new Uint8Array(bytes.length * perByte).fill(MARK);
  for (const [index, byte] of bytes.entries()) {
    const at = index * perByte;
    let ones = 0;
    bits[at] = SPACE;
    for (let bit = 0; bit < dataBits; bit++) {
      const level = (byte >> bit) & 1;
      ones += level;
      bits[at + 1 + bit] = level;
    }
    if (parity !== "none") bits[at + 1 + dataBits] = (ones & 1) ^ (parity === "odd" ? 1 : 0);
  }
  return bits;
}

/**
 * What a UART with other settings hears on this line. It waits for the line to fall, looks again in the middle of the start bit, takes
 * each bit in its middle, and then waits for a mark; a byte whose stop bit is missing is passed on, as Linux does in raw mode.
 * `bitTimes`: how many bit times of the sender one of the receiver lasts: 2 hears at half the rate.
 */
export function heard(bits: Uint8Array, { dataBits = 8, parity = "none" }: SerialSettings, bitTimes: number): Uint8Array {
  const level = (time: number): number => bits[Math.floor(time)] ?? MARK;
  const taken = dataBits + (parity === "none" ? 0 : 1);
  const bytes: number[] = [];
  let time = 0;
  while (time < bits.length) {
    if (level(time) === MARK) {
      time = Math.floor(time) + 1;
      continue;
    }
    const start = time;
    // A start bit that is over before its middle was a spike.
    if (level(start + bitTimes / 2) === MARK) {
      time = Math.floor(start + bitTimes / 2) + 1;
      continue;
    }
    let byte = 0;
    for (let bit = 0; bit < dataBits; bit++) byte |= level(start + (bit + 1.5) * bitTimes) << bit;
    bytes.push(byte);
    time = start + (taken + 1.5) * bitTimes;
    // A break is one byte, however long it is.
    while (time < bits.length && level(time) === SPACE) time = Math.floor(time) + 1;
  }
  return Uint8Array.from(bytes);
}

/**
 * Two that speak at once on one line: a space of either is a space (wired-AND, as on an open collector or a half-duplex bus). `offset`: how
 * many bit times the second one begins later.
 */
export function collision(a: Uint8Array, b: Uint8Array, settings: SerialSettings, offset: number): Uint8Array {
  const [ours, theirs] = [bitsOf(a, settings), bitsOf(b, settings)];
  const bits = new Uint8Array(Math.max(ours.length, theirs.length + offset)).fill(MARK);
  for (let at = 0; at < bits.length; at++) bits[at] = (ours[at] ?? MARK) & (theirs[at - offset] ?? MARK);
  return heard(bits, settings, 1);
}

/** What arrives of bytes when the receiver listens at another rate, bits per second. */
export function atOtherRate(bytes: Uint8Array, sent: SerialSettings, baudRate: number): Uint8Array {
  return heard(bitsOf(bytes, sent), sent, sent.baudRate / baudRate);
}
