/** One SDS011 frame; values in tenths of ug/m3 (SDS011 datasheet V1.3 §4). */
export function frame(pm25: number, pm10: number): Uint8Array {
  const body = [pm25 & 0xff, pm25 >> 8, pm10 & 0xff, pm10 >> 8, 0xa1, 0x60];
  const sum = body.reduce((total, byte) => total + byte, 0) & 0xff;
  return Uint8Array.from([0xaa, 0xc0, ...body, sum, 0xab]);
}

export const FRAME_BYTES = 10;
/** Each frame carries PM2.5 and PM10. */
export const READINGS_PER_FRAME = 2;

/** What a port hands over at once: `frames` whole frames whose values wander, `variants` times anew. */
export function frameEvents(frames: number, variants: number): readonly Uint8Array[] {
  let seed = 1;
  const next = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0; // Numerical Recipes: values must differ, not be random
    return 50 + (seed >>> 16) / 100;
  };
  return Array.from({ length: variants }, () => {
    const event = new Uint8Array(frames * FRAME_BYTES);
    for (let index = 0; index < frames; index++) event.set(frame(Math.round(next()), Math.round(next())), index * FRAME_BYTES);
    return event;
  });
}
