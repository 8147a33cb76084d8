/** CRC over `bytes[start .. end)`. */
export type Checksum = (bytes: Uint8Array, start: number, end: number) => number;

function reflectedTable(polynomial: number): Uint16Array {
  const table = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    table[byte] = crc;
  }
  return table;
}

// 0xA001 is 0x8005 reflected: MODBUS over Serial Line V1.02 §6.2.2 and SDI-12 V1.4 §4.4.12.
const CRC16_TABLE = reflectedTable(0xa001);
// 0x8C is 0x31 reflected: Maxim application note 27 (1-Wire).
const CRC8_TABLE = reflectedTable(0x8c);

/** Of a CRC that takes the highest bit of a byte first. */
function straightTable(polynomial: number): Uint16Array {
  const table = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ polynomial : crc << 1;
    table[byte] = crc;
  }
  return table;
}

// CCITT: ITU-T V.41; Davis "Vantage Serial Communication Reference Manual" §XII.
const CRC16_CCITT_TABLE = straightTable(0x1021);

function reflectedCrc(table: Uint16Array, initial: number, bytes: Uint8Array, start: number, end: number): number {
  let crc = initial;
  for (let at = start; at < end; at++) crc = (crc >>> 8) ^ (table[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return crc;
}

/** CRC-16/MODBUS: initial 0xFFFF; on the wire its low byte comes first. Check("123456789") = 0x4B37. */
export const crc16Modbus: Checksum = (bytes, start, end) => reflectedCrc(CRC16_TABLE, 0xffff, bytes, start, end);

/** CRC-16/ARC: initial 0; DSMR P1 and SDI-12. Check("123456789") = 0xBB3D. */
export const crc16Arc: Checksum = (bytes, start, end) => reflectedCrc(CRC16_TABLE, 0, bytes, start, end);

/** CRC-16/XMODEM, which Davis calls CCITT: initial 0, high byte first; over data and its CRC it is 0. Check("123456789") = 0x31C3. */
export const crc16Ccitt: Checksum = (bytes, start, end) => {
  let crc = 0;
  for (let at = start; at < end; at++) {
    crc = ((crc << 8) & 0xffff) ^ (CRC16_CCITT_TABLE[(crc >>> 8) ^ (bytes[at] as number)] as number);
  }
  return crc;
};

/** CRC-8/MAXIM-DOW: 1-Wire. Check("123456789") = 0xA1. */
export const crc8Maxim: Checksum = (bytes, start, end) => reflectedCrc(CRC8_TABLE, 0, bytes, start, end);

/** The low byte of the sum. */
export const sum8: Checksum = (bytes, start, end) => {
  let sum = 0;
  for (let at = start; at < end; at++) sum += bytes[at] as number;
  return sum & 0xff;
};

/** All bytes exclusive-ored. */
export const xor8: Checksum = (bytes, start, end) => {
  let xor = 0;
  for (let at = start; at < end; at++) xor ^= bytes[at] as number;
  return xor;
};
