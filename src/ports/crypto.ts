import type { RandomBytes } from "../core/anonymise/noise/byte-pool.ts";

/** Random bytes and digests. Noise is drawn from `fillRandom`. */
export interface Crypto extends RandomBytes {
  /** `count` random bytes from the system's generator. Throws when it has none: then nothing may be released. */
  randomBytes(count: number): Uint8Array;
  /** A number in [0, 1) for jitter; never for privacy. */
  jitter(): number;
  /** HMAC-SHA-256 (RFC 2104, FIPS 198-1): 32 bytes, the caller's own. */
  keyedHash(key: Uint8Array, bytes: Uint8Array): Uint8Array;
  /** SHA-256 in lower-case hex. */
  sha256(text: string): string;
}
