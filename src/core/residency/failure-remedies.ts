/** How far a connection had come when it broke without a word. */
export interface BreakFacts {
  readonly overTls: boolean;
  /** The handshake was over for us. In TLS 1.3 the broker looks at our certificate after that (RFC 8446 §4.4.2). */
  readonly isShaken: boolean;
  /** The broker answered the CONNECT. */
  readonly isAnswered: boolean;
  readonly hasOwnCert: boolean;
}

/** Breaks that say nothing by themselves. */
const SILENT: ReadonlySet<string> = new Set(["EOF", "ECONNRESET", "EPIPE"]);

/** The code of a break, with the moment where that tells more: a broker that wants another certificate of us often just hangs up. */
export function breakCode(code: string, { overTls, isShaken, isAnswered, hasOwnCert }: BreakFacts): string {
  if (!SILENT.has(code) || !overTls || isAnswered) return code;
  if (!isShaken) return `${code}, in the TLS handshake`;
  return hasOwnCert ? `${code}, after our certificate was shown` : `${code}, after the TLS handshake`;
}

const CLOCK = "set the clock (timedatectl): with a wrong one no certificate is in its time";
const AUTHORITY = "name the authority that signed the broker's certificate: broker.tls.ca";
const CHAIN =
  "name the root that signed for the broker's certificate in broker.tls.ca; if it is there, let the broker send those in between too";
const PAIR = "put certificate and key of one request at broker.tls.cert and broker.tls.key, readable by the service alone";
const WANTS_CERT = "the broker wants a certificate of the node: set broker.tls.cert and broker.tls.key";
const OUR_CERT = "the broker does not take the certificate of the node (broker.tls.cert): its log says why; have one made that it takes";
const NO_TLS =
  "what listens there does not speak TLS: look at the port in broker.url (TLS is most often 8883), and at the broker's listener";
const TLS_1_3 = "the broker does not speak TLS 1.3, and the node nothing older: let the broker speak it, or update it";

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
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", CHAIN],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", CHAIN],
  ["UNABLE_TO_GET_ISSUER_CERT", "broker.tls.ca names an authority that another one signed: put the root above it into that file"],
  ["INVALID_PURPOSE", "the broker shows a certificate that is not made for a server: have one made with serverAuth"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "write the name in broker.url that stands in the broker's certificate"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", NO_TLS],
  ["ERR_SSL_PACKET_LENGTH_TOO_LONG", NO_TLS],
  ["ERR_SSL_TLSV1_UNRECOGNIZED_NAME", "the broker does not serve the name in broker.url: write the one that it serves"],
  ["ENOTFOUND", "check the name in broker.url, and the name server of this machine (resolvectl status)"],
  ["EAI_AGAIN", "the name server does not answer: resolvectl status, and look at the uplink"],
  ["ECONNREFUSED", "nothing listens there: check the port in broker.url, and start the broker"],
  ["EHOSTUNREACH", "look at the uplink: ip route"],
  ["ENETUNREACH", "look at the uplink: ip route"],
];

/** By what the alert of the broker is called: the versions that OpenSSL puts before it say nothing. */
const ALERTS: Readonly<Record<string, string>> = {
  CERTIFICATE_REQUIRED: WANTS_CERT,
  UNKNOWN_CA:
    "the broker does not know the authority that signed broker.tls.cert: name it to the broker (mosquitto: cafile), or use one it knows",
  CERTIFICATE_EXPIRED: "renew the node's certificate (broker.tls.cert); if it is in its time, set the clock of the broker",
  CERTIFICATE_REVOKED: "the certificate of the node (broker.tls.cert) is revoked: have a new one made, with a new key",
  BAD_CERTIFICATE: OUR_CERT,
  UNSUPPORTED_CERTIFICATE: OUR_CERT,
  CERTIFICATE_UNKNOWN: OUR_CERT,
  ACCESS_DENIED: OUR_CERT,
  DECRYPT_ERROR: OUR_CERT,
  PROTOCOL_VERSION: TLS_1_3,
  HANDSHAKE_FAILURE: "the broker shares no cipher or key exchange of TLS 1.3 with the node: take limits on them out of its config",
  INTERNAL_ERROR: "the broker has trouble of its own: look at its log",
};

/** By the moment at which the broker hung up (`breakCode`). */
const MOMENTS: readonly (readonly [string, string])[] = [
  [
    "in the TLS handshake",
    "the other end hung up: look whether the port in broker.url is the one for TLS (most often 8883), then at the log of the broker",
  ],
  [
    "after our certificate was shown",
    "the broker hung up on it: in its log, look whether it refuses our certificate (authority, end, name) or the CONNECT",
  ],
  [
    "after the TLS handshake",
    "the broker hung up before it answered: in its log, look whether it wants a certificate of the node (broker.tls.cert)",
  ],
];

const HANDSHAKE = "the broker ends the TLS handshake (TLS 1.3 is needed): its log says why";

/** null: nothing is known that would help more than looking at the uplink. */
export function failureRemedy(code: string): string | null {
  const known = REMEDIES.find(([start]) => code.startsWith(start)) ?? MOMENTS.find(([moment]) => code.endsWith(`, ${moment}`));
  if (known !== undefined) return known[1];
  const alert = /^ERR_SSL_.*ALERT_(\w+)$/.exec(code)?.[1];
  if (alert !== undefined && Object.hasOwn(ALERTS, alert)) return ALERTS[alert] ?? null;
  return code === "EPROTO" || code.startsWith("ERR_SSL_") ? HANDSHAKE : null;
}
