const CLOCK = "set the clock (timedatectl): with a wrong one no certificate is in its time";
const AUTHORITY = "name the authority that signed the broker's certificate: broker.tls.ca";
const PAIR = "put certificate and key of one request at broker.tls.cert and broker.tls.key, readable by the service alone";

/** What to do about a connection that was not made, by how its code begins; the first that fits. */
const REMEDIES: readonly (readonly [string, string])[] = [
  ["RESIDENCY_REFUSED", "stoep evidence says what was found; ask the provider of the broker, or change broker.residency"],
  ["ADDRESS_CHANGED", "something between here and the broker answers in its place: look at the uplink"],
  ["TLS_PIN_MISMATCH", "the broker shows a key that broker.tls.pins does not name: ask who runs it before anything is changed"],
  ["TLS_PAIR_MISMATCH", PAIR],
  ["TLS_UNREADABLE", PAIR],
  ["SECRET_", "look at the files of broker.username, broker.password and broker.tls: there, and readable by the service alone"],
  ["CERT_NOT_YET_VALID", CLOCK],
  ["CERT_HAS_EXPIRED, clock not trusted", CLOCK],
  ["CERT_HAS_EXPIRED", "have the certificate of the broker renewed"],
  ["SELF_SIGNED_CERT_IN_CHAIN", AUTHORITY],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", AUTHORITY],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", AUTHORITY],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "write the name in broker.url that stands in the broker's certificate"],
  ["ENOTFOUND", "check the name in broker.url, and the name server of this machine"],
];

/** null: nothing is known that would help more than looking at the uplink. */
export const failureRemedy = (code: string): string | null => REMEDIES.find(([start]) => code.startsWith(start))?.[1] ?? null;
