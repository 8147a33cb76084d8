import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Seeded } from "../../src/testing/driver-checks/seeded.ts";
import type { PtyPair } from "./pty.ts";

const BUILT = resolve(import.meta.dirname, "../../dist/drivers/sds011/driver.js");

/**
 * Writes the driver of the SDS011 without its warm-up of 30 s, which begins anew when its port was gone: for tests of what happens then.
 * Gives its entry in `driverPaths`; its name is `warm-sds011`.
 */
export function warmSds011(folder: string): { readonly path: string; readonly sha256: string } {
  const text = readFileSync(BUILT, "utf8");
  const warm = text.replace('name: "sds011"', 'name: "warm-sds011"').replace("warmUpMs: 30_000", "warmUpMs: 0");
  if (!warm.includes("warmUpMs: 0")) throw new Error(`${BUILT} says its warm-up in another way`);
  const path = join(folder, "warm-sds011", "driver.mjs");
  mkdirSync(join(folder, "warm-sds011"), { recursive: true });
  writeFileSync(path, warm);
  return { path, sha256: createHash("sha256").update(warm).digest("hex") };
}

const FRAME_EVERY_MS = 100;

/** A sensor that speaks ten times a second until it is told to stop; gives how often it did. */
export function speaking(pty: PtyPair): { off(): Promise<number> } {
  let isOn = true;
  const loop = (async () => {
    let said = 0;
    for (; isOn; said++) {
      await pty.feed(sds011Frame({ pm25: 81, pm10: 200 }));
      await wait(FRAME_EVERY_MS);
    }
    return said;
  })();
  return {
    off() {
      isOn = false;
      return loop;
    },
  };
}

const HEAD = 0xaa;
const TAIL = 0xab;
export const FRAME_BYTES = 10;
/** Full scale, in tenths of ug/m3. */
const TENTHS_MAX = 9_999;

/** One reading of both channels, in tenths of ug/m3. */
export interface Dust {
  readonly pm25: number;
  readonly pm10: number;
}

/** The frame of a reading, by the manufacturer's protocol V1.3. */
export function sds011Frame({ pm25, pm10 }: Dust): Uint8Array {
  const data = [pm25 & 0xff, pm25 >> 8, pm10 & 0xff, pm10 >> 8, 0xa1, 0x60];
  const sum = data.reduce((total, byte) => total + byte, 0) & 0xff;
  return Uint8Array.from([HEAD, 0xc0, ...data, sum, TAIL]);
}

/**
 * A reading by chance, never 0.0 (which an SDS011 says before it has measured anything). Without the tail byte in it: a torn frame
 * in front of it could pass for a whole one, one time in 65,536.
 */
export function randomDust(seeded: Seeded): Dust {
  const value = (): number => {
    const tenths = 1 + seeded.below(TENTHS_MAX);
    return (tenths & 0xff) === TAIL ? tenths - 1 : tenths;
  };
  return { pm25: value(), pm10: value() };
}

/** Bytes that no frame is made of, and how a reader must account for them: by reason, in bytes. */
export interface Nuisance {
  readonly bytes: Uint8Array;
  readonly discarded: { readonly noise: number; readonly checksum: number; readonly length: number };
}

/** Bytes among which no frame begins. */
function plainBytes(seeded: Seeded, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => {
    const byte = seeded.below(256);
    return byte === HEAD || byte === TAIL ? 0x55 : byte;
  });
}

/**
 * Something that a line does to frames. What follows must be a whole frame. A reader gives up one byte of a frame that is wrong,
 * since the next frame may begin inside it; the rest up to the next head is noise.
 */
export function randomNuisance(seeded: Seeded): Nuisance {
  const kind = seeded.pick<"garbage" | "bad checksum" | "torn" | "false head">(["garbage", "bad checksum", "torn", "false head"]);
  switch (kind) {
    case "garbage": {
      const bytes = plainBytes(seeded, 1 + seeded.below(40));
      return { bytes, discarded: { noise: bytes.length, checksum: 0, length: 0 } };
    }
    case "bad checksum": {
      const bytes = Uint8Array.from([HEAD, 0xc0, ...plainBytes(seeded, 7), TAIL]);
      const sum = bytes.subarray(2, 8).reduce((total, byte) => total + byte, 0) & 0xff;
      if (bytes[8] === sum) bytes[8] = sum === 0 ? 1 : 0;
      return { bytes, discarded: { noise: FRAME_BYTES - 1, checksum: 1, length: 0 } };
    }
    case "torn": {
      // The head of the frame that follows stands where this one has no tail: at least two bytes of data are missing.
      const bytes = Uint8Array.from([HEAD, 0xc0, ...plainBytes(seeded, seeded.below(6))]);
      return { bytes, discarded: { noise: bytes.length - 1, checksum: 1, length: 0 } };
    }
    case "false head":
      return { bytes: Uint8Array.of(HEAD, 0x01), discarded: { noise: 1, checksum: 0, length: 1 } };
  }
}

/** Writes to a device with the pauses and cuts of a bad line. */
export interface Line {
  feed(data: Uint8Array): Promise<void>;
}

/** Writes `bytes` in pieces, cut at random, with room for the reader in between. */
export async function feedInPieces(line: Line, bytes: Uint8Array, seeded: Seeded): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + seeded.below(7));
    await line.feed(bytes.subarray(at, end));
    at = end;
    if (seeded.below(2) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
