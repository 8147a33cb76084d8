import { createHash, X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from "node:tls";
import type { TlsFacts } from "../../core/residency/evidence.ts";
import { epochMs, isoUtc } from "../../core/units/time.ts";

/** Longest chain that is looked through for a pinned key. */
const CHAIN_LENGTH_MAX = 10;

/** The key that the broker shows is none of those that the config pins. */
export class PinError extends Error {
  readonly code = "TLS_PIN_MISMATCH";
}

/** SHA-256 of a public key with its algorithm (SPKI), base64: what a pin is (RFC 7469 §2.4). */
function spkiOf(certificate: X509Certificate): string {
  return createHash("sha256")
    .update(certificate.publicKey.export({ type: "spki", format: "der" }))
    .digest("base64");
}

/**
 * Whether one of the pinned keys is in the chain. A server may send any certificate beside its own, so a certificate counts as issuer
 * only when its key made the signature below it: that cannot be had without the key.
 */
export function isPinned(peer: PeerCertificate | DetailedPeerCertificate, pins: readonly string[]): boolean {
  let at: PeerCertificate | DetailedPeerCertificate | undefined = peer;
  let below: X509Certificate | null = null;
  for (let length = 0; length < CHAIN_LENGTH_MAX && at?.raw !== undefined; length++) {
    const certificate = new X509Certificate(at.raw);
    if (below !== null && !below.verify(certificate.publicKey)) return false;
    if (pins.includes(spkiOf(certificate))) return true;
    const issuer: DetailedPeerCertificate | undefined = "issuerCertificate" in at ? at.issuerCertificate : undefined;
    // The authority at the end is its own issuer.
    if (issuer === undefined || issuer === at) return false;
    below = certificate;
    at = issuer;
  }
  return false;
}

/** What was agreed on a connection whose handshake is over. */
export function tlsFacts(socket: TLSSocket, pins: readonly string[]): TlsFacts {
  const peer = socket.getPeerCertificate(true);
  const certificate = new X509Certificate(peer.raw);
  // Node 20 knows ECDH curves only; with OpenSSL 3.5 (Node 24) it names hybrid groups too.
  const { name = null } = socket.getEphemeralKeyInfo() as { name?: string | null };
  return {
    protocol: socket.getProtocol() ?? "unknown",
    cipher: socket.getCipher().standardName,
    group: name,
    spki: spkiOf(certificate),
    issuer: certificate.issuer.split("\n").join(", "),
    validTo: isoUtc(epochMs(Date.parse(certificate.validTo))),
    pinned: pins.length === 0 ? null : isPinned(peer, pins),
  };
}
