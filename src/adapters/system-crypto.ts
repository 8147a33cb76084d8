import { createHash, createHmac, randomBytes, randomFillSync } from "node:crypto";
import type { Crypto } from "../ports/crypto.ts";

/** Random bytes and digests from the system, by way of OpenSSL. */
export function createSystemCrypto(): Crypto {
  return {
    fillRandom: (bytes) => void randomFillSync(bytes),
    randomBytes: (count) => randomBytes(count),
    jitter: () => Math.random(),
    keyedHash: (key, bytes) => createHmac("sha256", key).update(bytes).digest(),
    sha256: (text) => createHash("sha256").update(text, "utf8").digest("hex"),
  };
}
