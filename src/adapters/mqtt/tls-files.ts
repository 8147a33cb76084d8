import { createPrivateKey, X509Certificate } from "node:crypto";
import { epochMs } from "../../core/units/time.ts";
import type { IdentityFacts, IdentityTrouble, TlsIdentity } from "../../ports/tls-identity.ts";
import type { TlsMaterial } from "./open-socket.ts";

/** Reads a secret or a PEM text. Asked at each connect, so that what was rotated on disk is used at the next one. */
export type TextProvider = () => Promise<string>;

/** Where the PEM texts come from. */
export interface TlsProviders {
  readonly ca?: TextProvider;
  readonly cert?: TextProvider;
  readonly key?: TextProvider;
}

/** A certificate that is no pair with its key, or texts that hold no certificate, with nothing older to go on with. */
export class TlsFilesError extends Error {
  readonly code: IdentityTrouble;
  readonly remedy: string;

  constructor(code: IdentityTrouble, message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TlsFilesError";
    this.code = code;
    this.remedy = remedy;
  }
}

/** PEM blocks of certificates; other blocks beside them are left alone (RFC 7468 §5.1). */
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/**
 * The files behind the TLS keys of the config. Files are renewed one after the other, by somebody else: what does not fit together, or
 * cannot be read, is not used, and the last that did is. Only at the first look there is nothing to fall back on.
 */
export class TlsFiles implements TlsIdentity {
  readonly #providers: TlsProviders;
  #pair: Pair | null = null;
  #ca: string | null = null;
  #trouble: IdentityTrouble | null = null;

  constructor(providers: TlsProviders) {
    this.#providers = providers;
  }

  /** What a connection is made with now. Rejects when there never was anything usable. */
  async material(): Promise<TlsMaterial> {
    this.#trouble = null;
    const { ca, cert, key } = this.#providers;
    if (ca !== undefined) this.#ca = await this.#renewed(this.#ca, () => readAuthorities(ca));
    if (cert !== undefined && key !== undefined) this.#pair = await this.#renewed(this.#pair, () => readPair(cert, key));
    return { ...(this.#ca === null ? {} : { ca: this.#ca }), ...this.#pair };
  }

  async inspect(): Promise<IdentityFacts> {
    try {
      await this.material();
    } catch {
      // Told as `trouble`; the next connect fails with the error itself.
    }
    const ends = (pem: string | null): readonly number[] =>
      pem === null ? [] : certificatesIn(pem).map(({ validTo }) => Date.parse(validTo));
    const [own, authorities] = [ends(this.#pair?.cert ?? null), ends(this.#ca)];
    return {
      certEnds: own.length === 0 ? null : epochMs(Math.min(...own)),
      caEnds: authorities.length === 0 ? null : epochMs(Math.max(...authorities)),
      trouble: this.#trouble,
    };
  }

  async #renewed<T>(old: T | null, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      this.#trouble = error instanceof TlsFilesError ? error.code : "TLS_UNREADABLE";
      if (old === null) throw error;
      return old;
    }
  }
}

const certificatesIn = (pem: string): readonly X509Certificate[] => (pem.match(CERTIFICATE) ?? []).map((text) => new X509Certificate(text));

/** A file without a certificate would make Node.js trust every public authority instead of the private one: it is refused. */
async function readAuthorities(read: TextProvider): Promise<string> {
  const pem = await read();
  if (certificatesIn(pem).length > 0) return pem;
  throw new TlsFilesError("TLS_UNREADABLE", "broker.tls.ca holds no certificate", "put the PEM of the broker's authority there");
}

async function readPair(readCert: TextProvider, readKey: TextProvider): Promise<Pair> {
  const [cert, key] = await Promise.all([readCert(), readKey()]);
  const [own] = certificatesIn(cert);
  if (own === undefined) {
    throw new TlsFilesError("TLS_UNREADABLE", "broker.tls.cert holds no certificate", "put the PEM of the node's certificate there");
  }
  // OpenSSL's own error goes up: its code says what kind of trouble it is, and it never quotes the key.
  if (own.checkPrivateKey(createPrivateKey(key))) return { cert, key };
  const remedy = "put certificate and key of one request there; renew the key file first, then the certificate, each by rename";
  throw new TlsFilesError("TLS_PAIR_MISMATCH", "broker.tls.cert and broker.tls.key are no pair", remedy);
}
