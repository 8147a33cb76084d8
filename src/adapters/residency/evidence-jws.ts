import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import type { EvidenceRecord } from "../../core/residency/evidence.ts";

// A record is a JWS in compact form (RFC 7515 §3.1) with EdDSA over Ed25519 (RFC 8037 §3.1): any JOSE library reads it. Four calls of
// node:crypto make and check one, so no package is needed for it.

/** The key that signs, and the records: in the folder of the node store. The older file is replaced when the newer one is full. */
export const EVIDENCE_FILES = {
  key: "evidence.key",
  /** A key that is being written. */
  keyFresh: "evidence.key.new",
  /** What stood in the place of the key and was none; the last of those. */
  keyAside: "evidence.key.unusable",
  records: "evidence.jsonl",
  older: "evidence.1.jsonl",
} as const;

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
}

function publicJwk(key: KeyObject): PublicJwk {
  const { x = "" } = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" });
  return { kty: "OKP", crv: "Ed25519", x };
}

/** RFC 7638: members in alphabetical order, SHA-256, base64url. By this name an auditor knows the key of a node. */
const thumbprint = ({ crv, kty, x }: PublicJwk): string => createHash("sha256").update(JSON.stringify({ crv, kty, x })).digest("base64url");

/** The name of a key, private or public. */
export const keyName = (key: KeyObject): string => thumbprint(publicJwk(key));

/** Signs a record. The key goes along: whoever reads it compares its name with one that was written down before. */
export function signRecord(record: EvidenceRecord, key: KeyObject): string {
  const jwk = publicJwk(key);
  const signed = `${encode({ alg: "EdDSA", kid: thumbprint(jwk), jwk })}.${encode(record)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString("base64url")}`;
}

/** What a line says and who signed it; null: it is no record, or not what was signed. */
export interface SignedRecord {
  readonly record: EvidenceRecord;
  readonly keyName: string;
}

/** Reads and checks a line. */
export function readRecord(line: string): SignedRecord | null {
  const [header, payload, signature, ...rest] = line.split(".");
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) return null;
  try {
    const { alg, jwk } = decode(header) as { alg?: unknown; jwk?: PublicJwk };
    // The algorithm is ours to choose, not the line's (RFC 8725 §3.1).
    if (alg !== "EdDSA" || jwk === undefined) return null;
    const key = createPublicKey({ key: { ...jwk, kty: "OKP", crv: "Ed25519" }, format: "jwk" });
    if (!verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url"))) return null;
    const record = decode(payload) as EvidenceRecord;
    return record.v === 1 && typeof record.says === "string" ? { record, keyName: keyName(key) } : null;
  } catch {
    return null;
  }
}

const decode = (part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString("utf8"));

/** What the next record calls this one. */
export const hashOf = (line: string): string => createHash("sha256").update(line).digest("hex");

/** Three parts, the last a signature of 64 bytes: what is shorter was torn off. */
export const isWhole = (line: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]{86}$/.test(line);
