import type { EpochMs } from "../core/units/time.ts";

/**
 * Why what is on disk now is not used, and what was there before still is. `TLS_PAIR_MISMATCH`: certificate and key do not belong
 * together, as while they are being renewed. `TLS_UNREADABLE`: a file is missing, may not be read, is open to others, or is no PEM.
 */
export type IdentityTrouble = "TLS_PAIR_MISMATCH" | "TLS_UNREADABLE";

/** The certificates that the next connection is made with. */
export interface IdentityFacts {
  /** First end of a certificate in the node's own chain; null: it has none. */
  readonly certEnds: EpochMs | null;
  /** Last end of an authority that the config names, for during a change there are two; null: it names none. */
  readonly caEnds: EpochMs | null;
  readonly trouble: IdentityTrouble | null;
}

/** Certificates and keys as they are on disk: renewed ones are picked up, whole and matching or not at all. */
export interface TlsIdentity {
  /** Looks at the files now. Never rejects. */
  inspect(): Promise<IdentityFacts>;
}
