import { createCipheriv } from "node:crypto";
import type { RandomBytes } from "../../../src/core/anonymise/noise/byte-pool.ts";

/** Random bytes that are the same in every run: the key stream of AES-128 in counter mode, the seed as key, counting from zero. */
export function seededBytes(seed: number): RandomBytes {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed, 12);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  return { fillRandom: (bytes) => bytes.set(cipher.update(new Uint8Array(bytes.length))) };
}
