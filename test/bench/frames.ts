/** One SDS011 frame; values in tenths of ug/m3 (SDS011 datasheet V1.3 §4). */
export function frame(pm25: number, pm10: number): Uint8Array {
  const body = [pm25 & 0xff, pm25 >> 8, pm10 & 0xff, pm10 >> 8, 0xa1, 0x60];
  const sum = body.reduce((total, byte) => total + byte, 0) & 0xff;
  return Uint8Array.from([0xaa, 0xc0, ...body, sum, 0xab]);
}
