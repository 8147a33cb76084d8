import { once } from "node:events";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { connect, createServer, type TlsOptions } from "node:tls";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { BrokerProbe } from "../../src/adapters/mqtt/broker-probe.ts";
import { createMqttBroker, type MqttBrokerOptions } from "../../src/adapters/mqtt/mqtt-broker.ts";
import { errorCode } from "../../src/adapters/mqtt/open-socket.ts";
import { failureRemedy } from "../../src/core/residency/failure-remedies.ts";
import { CertificateAuthority, type Issued } from "../support/certificates.ts";
import { RecordedLink } from "../support/link-recorder.ts";
import { skipWithoutMosquitto, startMosquitto } from "../support/mosquitto.ts";
import { until } from "../support/until.ts";

// Every failure is provoked at a server that really does what is told of it: what OpenSSL calls it is not for a table to guess.

type Tls = NonNullable<MqttBrokerOptions["tls"]>;

let authority: CertificateAuthority;
let between: CertificateAuthority;
let stranger: CertificateAuthority;
let server: Issued;
let chained: Issued;

beforeAll(async () => {
  [authority, stranger] = await Promise.all([CertificateAuthority.create(), CertificateAuthority.create()]);
  between = await authority.below();
  server = await authority.issue("localhost");
  chained = await between.issue("localhost");
});

afterAll(async () => {
  await Promise.all([authority.remove(), between.remove(), stranger.remove()]);
});

const text = (value: string) => async () => value;
const ca = (): Tls => ({ ca: text(authority.ca) });
const as = ({ cert, key }: Issued): Tls => ({ ...ca(), cert: text(cert), key: text(key) });

async function listening(made: Server): Promise<number> {
  made.listen(0, "127.0.0.1");
  await once(made, "listening");
  onTestFinished(() => void made.close());
  return (made.address() as AddressInfo).port;
}

async function serve(options: TlsOptions): Promise<number> {
  const made = createServer(options, (socket) => socket.on("error", () => {}));
  made.on("tlsClientError", () => {});
  return await listening(made);
}

/** A server that answers the ClientHello with this, and hangs up. */
const answering = (bytes: Uint8Array): Promise<number> =>
  listening(
    createTcpServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(bytes));
    }),
  );

/** An alert of TLS (RFC 8446 §6): level fatal, and what it is about. */
const alert = (description: number): Uint8Array => Uint8Array.of(21, 3, 3, 0, 2, 2, description);

/** An alert that follows the handshake may be lost when the broker closes before it has read what we send next: then it is a break. */
const LOST = /^(EOF|ECONNRESET|EPIPE), after (our certificate was shown|the TLS handshake)$/;
const ATTEMPTS_MAX = 20;

/** What it is called where it is not lost. */
async function alertAt(port: number, tls: Tls): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const code = await codeAt(port, tls);
    if (!LOST.test(code) || attempt === ATTEMPTS_MAX) return code;
  }
}

/** What the node and the doctor call it; both have a remedy. */
async function codeAt(port: number, tls: Tls): Promise<string> {
  const options = { url: `mqtts://localhost:${port}`, protocol: 5 as const, clientId: "n0042", keepAliveMs: 20_000, tls };
  const link = new RecordedLink(createMqttBroker(options));
  await until(() => link.cause !== null);
  expect(link.cause).toMatchObject({ is: "network" });
  const { code } = link.cause as { code: string };
  const failed: unknown = await BrokerProbe.connect(options, "n0042-doctor").catch((error: unknown) => error);
  expect(failed).toMatchObject({ is: "network", code: expect.stringMatching(/./) });
  expect(failureRemedy((failed as { code: string }).code)).not.toBeNull();
  return code;
}

describe("a certificate of the broker that leads nowhere", () => {
  it("is told of with the authority and the certificates in between", async () => {
    const chain = { cert: chained.cert + between.ca, key: chained.key };
    for (const tls of [{ ca: text(stranger.ca) }, {}]) {
      const code = await codeAt(await serve(chain), tls);
      expect(code).toBe("UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
      expect(failureRemedy(code)).toMatch(/broker\.tls\.ca.*in between/);
    }
    const alone = await codeAt(await serve(chained), ca());
    expect(alone).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    expect(failureRemedy(alone)).toMatch(/broker\.tls\.ca.*in between/);
  });

  it("is told of with the root where the file names the authority in between", async () => {
    const code = await codeAt(await serve({ cert: chained.cert + between.ca, key: chained.key }), { ca: text(between.ca) });
    expect(code).toBe("UNABLE_TO_GET_ISSUER_CERT");
    expect(failureRemedy(code)).toContain("put the root above it into that file");
  });

  it("is told of with the authority where the broker sends that too", async () => {
    const code = await codeAt(await serve({ cert: chained.cert + between.ca + authority.ca, key: chained.key }), {});
    expect(code).toBe("SELF_SIGNED_CERT_IN_CHAIN");
    expect(failureRemedy(code)).toContain("broker.tls.ca");
  });

  it("is told of by its purpose where it was made for a client", async () => {
    const client = await authority.issue("localhost", undefined, "DNS:localhost", "extendedKeyUsage = clientAuth");
    const code = await codeAt(await serve(client), ca());
    expect(code).toBe("INVALID_PURPOSE");
    expect(failureRemedy(code)).toContain("serverAuth");
  });
});

describe("a certificate of ours that the broker does not take", () => {
  const wanting = (): TlsOptions => ({ ...server, ca: authority.ca, requestCert: true });

  it("is asked for when there is none", async () => {
    const code = await alertAt(await serve(wanting()), ca());
    expect(code).toBe("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED");
    expect(failureRemedy(code)).toContain("set broker.tls.cert and broker.tls.key");
  });

  it.each([
    ["of a stranger", () => stranger.issue("n0042")],
    ["that has expired", () => authority.issue("n0042", { fromDays: -2, toDays: -1 })],
  ])("%s is named where the broker just hangs up after the handshake", async (_, issue) => {
    const code = await codeAt(await serve(wanting()), as(await issue()));
    expect(code).toMatch(LOST);
    expect(failureRemedy(code)).toContain("whether it refuses our certificate");
  });

  it("may be wanted where the broker hangs up and none was shown", async () => {
    const hangingUp = createServer({ ...server }, (socket) => socket.on("error", () => {}).end());
    hangingUp.on("tlsClientError", () => {});
    const code = await codeAt(await listening(hangingUp), ca());
    expect(code).toMatch(LOST);
    expect(failureRemedy(code)).toContain("whether it wants a certificate of the node");
  });

  it.skipIf(skipWithoutMosquitto)("is told of by mosquitto", async () => {
    const files = [`cafile ${authority.caPath}`, `certfile ${server.certPath}`, `keyfile ${server.keyPath}`];
    const mosquitto = await startMosquitto({ scheme: "mqtts", config: [...files, "require_certificate true", "allow_anonymous true"] });
    onTestFinished(() => mosquitto.stop());
    const none = await alertAt(mosquitto.port, ca());
    expect([none, failureRemedy(none)]).toEqual([
      "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
      expect.stringContaining("set broker.tls.cert and broker.tls.key"),
    ]);
    const strange = await alertAt(mosquitto.port, as(await stranger.issue("n0042")));
    expect([strange, failureRemedy(strange)]).toEqual(["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", expect.stringContaining("mosquitto: cafile")]);
    const expired = await alertAt(mosquitto.port, as(await authority.issue("n0042", { fromDays: -2, toDays: -1 })));
    expect([expired, failureRemedy(expired)]).toEqual([
      "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED",
      expect.stringContaining("renew the node's certificate"),
    ]);
  });
});

describe("a broker that speaks otherwise", () => {
  it("is told of by its version", async () => {
    expect(failureRemedy(await codeAt(await serve({ ...server, maxVersion: "TLSv1.2" }), ca()))).toContain("TLS 1.3");
  });

  it.each([{ ecdhCurve: "brainpoolP256r1" }, { ciphers: "TLS_AES_128_CCM_8_SHA256" }])("is told of by its limits: %j", async (limits) => {
    const code = await codeAt(await serve({ ...server, ...limits }), ca());
    expect(failureRemedy(code)).toContain("shares no cipher or key exchange");
  });

  it("is told of by its port where it speaks no TLS there, or hangs up on it", async () => {
    const plain = await codeAt(await answering(Buffer.from("220 mail.voorbeeld.example ESMTP\r\n")), ca());
    expect(plain).toMatch(/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/);
    expect(failureRemedy(plain)).toContain("does not speak TLS");
    const gone = await codeAt(await answering(Buffer.alloc(0)), ca());
    expect(gone).toMatch(/^(EOF|ECONNRESET), in the TLS handshake$/);
    expect(failureRemedy(gone)).toContain("the port in broker.url");
  });

  it.skipIf(skipWithoutMosquitto)("is told of by its port where it is a mosquitto without TLS", async () => {
    const mosquitto = await startMosquitto({ scheme: "mqtts" });
    onTestFinished(() => mosquitto.stop());
    expect(failureRemedy(await codeAt(mosquitto.port, ca()))).toContain("the port in broker.url");
  });
});

describe("an alert of TLS", () => {
  it.each([
    [40, "shares no cipher"],
    [42, "does not take the certificate of the node"],
    [43, "does not take the certificate of the node"],
    [44, "revoked"],
    [45, "renew the node's certificate"],
    [46, "does not take the certificate of the node"],
    [48, "name it to the broker"],
    [49, "does not take the certificate of the node"],
    [51, "does not take the certificate of the node"],
    [70, "does not speak TLS 1.3"],
    [80, "trouble of its own"],
    [112, "does not serve the name"],
    [116, "the broker wants a certificate"],
    [71, "its log says why"],
  ])("%i has a remedy of its own", async (description, remedy) => {
    expect(failureRemedy(await codeAt(await answering(alert(description)), ca()))).toContain(remedy);
  });

  it("has the same name where a write meets it instead of a read", async () => {
    const socket = connect(await answering(alert(116)), "127.0.0.1", { minVersion: "TLSv1.3" });
    socket.write("too early");
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("EPROTO");
    expect(errorCode(error)).toBe("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED");
  });

  it("that nobody knows is no word of the language", () => {
    expect(failureRemedy("ERR_SSL_TLSV1_ALERT_constructor")).toBe(
      "the broker ends the TLS handshake (TLS 1.3 is needed): its log says why",
    );
  });
});
