import { expect, it } from "vitest";
import { createSystemCrypto } from "../../../src/adapters/system-crypto.ts";

const crypto = createSystemCrypto();

it("draws as many random bytes as asked for, and never the same", () => {
  expect(crypto.randomBytes(32)).toHaveLength(32);
  expect(Buffer.from(crypto.randomBytes(32))).not.toEqual(Buffer.from(crypto.randomBytes(32)));
});

it("digests UTF-8 with SHA-256", () => {
  // FIPS 180-2 appendix B.1.
  expect(crypto.sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(crypto.sha256("é")).toBe("4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c");
});

it("jitters within [0, 1)", () => {
  for (let draw = 0; draw < 1_000; draw++) {
    const jitter = crypto.jitter();
    expect(jitter).toBeGreaterThanOrEqual(0);
    expect(jitter).toBeLessThan(1);
  }
});

it("fills all of the bytes that it is given", () => {
  const seen = new Uint8Array(64); // of 40 fills, none leaves a place zero every time: 64 * 256^-40
  for (let fill = 0; fill < 40; fill++) {
    const bytes = new Uint8Array(64);
    crypto.fillRandom(bytes);
    for (const [index, byte] of bytes.entries()) seen[index] = (seen[index] as number) | byte;
  }
  expect(seen).not.toContain(0);
});
