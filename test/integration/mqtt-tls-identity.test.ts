import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type DetailedPeerCertificate, type TLSSocket, type TlsOptions } from "node:tls";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createMqttBroker, type MqttBrokerOptions } from "../../src/adapters/mqtt/mqtt-broker.ts";
import { isPinned } from "../../src/adapters/mqtt/peer-certificate.ts";
import { CertificateAuthority, type Issued } from "../support/certificates.ts";
import { FakeBroker } from "../support/fake-broker.ts";
import { RecordedLink } from "../support/link-recorder.ts";
import { until } from "../support/until.ts";

let authority: CertificateAuthority;
let stranger: CertificateAuthority;
let server: Issued;
let node: Issued;

beforeAll(async () => {
  [authority, stranger] = await Promise.all([CertificateAuthority.create(), CertificateAuthority.create()]);
  server = await authority.issue("localhost");
  node = await authority.issue("n0042");
});

afterAll(async () => {
  await Promise.all([authority.remove(), stranger.remove()]);
});

const text = (value: string) => async () => value;

function brokerAt(port: number, options: Partial<MqttBrokerOptions> = {}) {
  return createMqttBroker({
    url: `mqtts://localhost:${port}`,
    protocol: 5,
    clientId: "n0042",
    username: text("n0042"),
    password: text("hunter2"),
    keepAliveMs: 20_000,
    tls: { ca: text(authority.ca) },
    ...options,
  });
}

/** The pin of a certificate, as the manual has it: openssl x509 -pubkey | openssl pkey -outform der | openssl dgst -sha256. */
const pinOf = (pem: string): string =>
  createHash("sha256")
    .update(new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" }))
    .digest("base64");

/** A server that finishes the handshake with anybody, and writes down whatever it is sent then. */
async function eavesdropper(options: TlsOptions): Promise<{ port: number; heard: () => number; handshakes: () => number }> {
  let bytes = 0;
  let handshakes = 0;
  const listening = createServer(options, (socket) => {
    handshakes++;
    socket.on("data", (chunk) => {
      bytes += chunk.length;
    });
    socket.on("error", () => {});
  });
  listening.on("tlsClientError", () => {});
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  onTestFinished(() => void listening.close());
  return { port: (listening.address() as AddressInfo).port, heard: () => bytes, handshakes: () => handshakes };
}

/** A broker behind TLS that says yes to everybody. */
async function tlsBroker(options: TlsOptions): Promise<FakeBroker> {
  const broker = await FakeBroker.start({}, options);
  onTestFinished(() => broker.stop());
  return broker;
}

const serialOf = (broker: FakeBroker): string | undefined =>
  (broker.connections.at(-1)?.socket as TLSSocket | undefined)?.getPeerCertificate().serialNumber;

async function causeOf(broker: ReturnType<typeof brokerAt>) {
  const link = new RecordedLink(broker);
  await until(() => link.cause !== null);
  return link.cause;
}

describe("the pins of the broker's key", () => {
  it.each([
    ["the broker's own key", () => [pinOf(server.cert)]],
    ["the key of its authority", () => [pinOf(authority.ca)]],
    ["the next key, beside the current one", () => [pinOf(stranger.ca), pinOf(server.cert)]],
  ])("take %s", async (_name, pins) => {
    const broker = await tlsBroker(server);
    const link = new RecordedLink(brokerAt(broker.port, { pins: pins() }));
    await until(() => link.connected !== null);
    expect(link.connected?.tls?.pinned).toBe(true);
    link.link.destroy();
  });

  it("refuse any other key, before a byte of ours has left", async () => {
    const other = await eavesdropper(server);
    expect(await causeOf(brokerAt(other.port, { pins: [pinOf(stranger.ca)] }))).toEqual({ is: "network", code: "TLS_PIN_MISMATCH" });
    expect(other.heard()).toBe(0);
  });

  it("are not fooled by a pinned certificate that a server sends along, which did not sign its own", async () => {
    // Both authorities go by the same name, and the server's certificate names its issuer by that name alone.
    const liar = await eavesdropper({ ...server, cert: `${server.cert}\n${stranger.ca}` });
    expect(await causeOf(brokerAt(liar.port, { pins: [pinOf(stranger.ca)] }))).toEqual({ is: "network", code: "TLS_PIN_MISMATCH" });
    expect(liar.heard()).toBe(0);
  });

  it("count an issuer only by its signature, should TLS hand over another of the same name", () => {
    const raw = (pem: string) => new X509Certificate(pem).raw;
    const under = (issuer: CertificateAuthority): DetailedPeerCertificate => {
      const top = { raw: raw(issuer.ca) } as DetailedPeerCertificate;
      top.issuerCertificate = top;
      return { raw: raw(server.cert), issuerCertificate: top } as DetailedPeerCertificate;
    };
    expect(isPinned(under(authority), [pinOf(authority.ca)])).toBe(true);
    expect(isPinned(under(stranger), [pinOf(stranger.ca)])).toBe(false);
  });
});

describe("a server that is not who it should be", () => {
  it.each([
    ["expired", () => authority.issue("localhost", { fromDays: -2, toDays: -1 }), "CERT_HAS_EXPIRED"],
    ["of another authority", () => stranger.issue("localhost"), "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ["of another name", () => authority.issue("x", undefined, "DNS:elsewhere.example"), "ERR_TLS_CERT_ALTNAME_INVALID"],
  ])("hears nothing, not even a user name (%s)", async (_name, issued, code) => {
    const other = await eavesdropper(await issued());
    expect(await causeOf(brokerAt(other.port))).toEqual({ is: "network", code });
    expect(other.heard()).toBe(0);
  });

  it("is left when it stands at an address that was not checked", async () => {
    const other = await eavesdropper(server);
    const link = new RecordedLink(brokerAt(other.port), { addresses: ["127.0.0.2"] });
    await until(() => link.cause !== null);
    expect(link.cause?.is).toBe("network");
    expect([other.handshakes(), other.heard()]).toEqual([0, 0]);
  });

  it("is found at the addresses that were checked, however its name is resolved", async () => {
    const broker = await tlsBroker(server);
    const elsewhere = createMqttBroker({
      url: `mqtts://localhost:${broker.port}`,
      protocol: 5,
      clientId: "n0042",
      keepAliveMs: 20_000,
      tls: { ca: text(authority.ca) },
    });
    const link = new RecordedLink(elsewhere, { addresses: ["::ffff:127.0.0.1"] });
    await until(() => link.connected !== null);
    link.link.destroy();
  });
});

describe("what TLS agreed on", () => {
  it("is TLS 1.3 with the strongest key exchange that both sides have", async () => {
    const broker = await tlsBroker(server);
    const link = new RecordedLink(brokerAt(broker.port));
    await until(() => link.connected !== null);
    const [major = 0, minor = 0] = process.versions.openssl.split(".").map(Number);
    // OpenSSL 3.5 brought ML-KEM and offers the hybrid group first (its release notes).
    const hasHybrid = major > 3 || (major === 3 && minor >= 5);
    expect(link.connected?.tls).toMatchObject({
      protocol: "TLSv1.3",
      group: hasHybrid ? "X25519MLKEM768" : "X25519",
      spki: pinOf(server.cert),
      issuer: "CN=Test CA",
      pinned: null,
    });
    link.link.destroy();
  });
});

describe("certificate and key of the node", () => {
  it("are used as the last pair that fits while they are being renewed", async () => {
    const next = await authority.issue("n0042");
    let files = { cert: node.cert, key: node.key };
    const { identity } = brokerAt(1, { tls: { ca: text(authority.ca), cert: async () => files.cert, key: async () => files.key } });
    expect(await identity.inspect()).toMatchObject({ trouble: null });
    const before = (await identity.inspect()).certEnds;
    files = { cert: next.cert, key: node.key };
    expect(await identity.inspect()).toMatchObject({ trouble: "TLS_PAIR_MISMATCH", certEnds: before });
    files = { cert: next.cert.slice(0, 40), key: next.key };
    expect(await identity.inspect()).toMatchObject({ trouble: "TLS_UNREADABLE", certEnds: before });
    files = { cert: next.cert, key: next.key };
    expect(await identity.inspect()).toMatchObject({ trouble: null });
  });

  it("reach a broker that wants a certificate while the new pair is half there, and with the new one after", async () => {
    const next = await authority.issue("n0042");
    const broker = await tlsBroker({ ...server, ca: authority.ca, requestCert: true, rejectUnauthorized: true });
    let files = { cert: node.cert, key: node.key };
    const ours = brokerAt(broker.port, { tls: { ca: text(authority.ca), cert: async () => files.cert, key: async () => files.key } });
    const serials: (string | undefined)[] = [];
    for (const now of [files, { cert: next.cert, key: node.key }, { cert: next.cert, key: next.key }]) {
      files = now;
      const link = new RecordedLink(ours);
      await until(() => link.connected !== null);
      serials.push(serialOf(broker));
      link.link.destroy();
      await until(() => link.cause !== null);
    }
    const [old, renewed] = [node, next].map(({ cert }) => new X509Certificate(cert).serialNumber);
    expect(serials).toEqual([old, old, renewed]);
  });

  it("are refused when they never were a pair", async () => {
    const next = await authority.issue("n0042");
    const tls = { ca: text(authority.ca), cert: text(next.cert), key: text(node.key) };
    expect(await causeOf(brokerAt(1, { tls }))).toEqual({ is: "network", code: "TLS_PAIR_MISMATCH" });
  });

  it("are watched with the authority: a file of it that was emptied never means every authority there is", async () => {
    let ca = "";
    const broker = brokerAt(1, { tls: { ca: async () => ca } });
    expect(await causeOf(broker)).toEqual({ is: "network", code: "TLS_UNREADABLE" });
    ca = authority.ca;
    const { caEnds } = await broker.identity.inspect();
    expect(caEnds).toBe(Date.parse(new X509Certificate(authority.ca).validTo));
    ca = "";
    expect(await broker.identity.inspect()).toEqual({ certEnds: null, caEnds, trouble: "TLS_UNREADABLE" });
  });
});
