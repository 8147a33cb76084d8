import { once } from "node:events";
import { type AddressInfo, Socket } from "node:net";
import { createServer, type TlsOptions } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createMqttBroker, type MqttBrokerOptions } from "../../src/adapters/mqtt/mqtt-broker.ts";
import { CertificateAuthority, type Issued } from "../support/certificates.ts";
import { RecordedLink } from "../support/link-recorder.ts";
import { message } from "../support/messages.ts";
import { type Mosquitto, skipWithoutMosquitto, startMosquitto } from "../support/mosquitto.ts";
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
const nodeTls = () => ({ ca: text(authority.ca), cert: text(node.cert), key: text(node.key) });

function brokerAt(port: number, tls: MqttBrokerOptions["tls"] = {}, host = "localhost") {
  return createMqttBroker({ url: `mqtts://${host}:${port}`, protocol: 5, clientId: "n0042", keepAliveMs: 20_000, tls });
}

async function causeOf(...at: Parameters<typeof brokerAt>) {
  const link = new RecordedLink(brokerAt(...at));
  await until(() => link.cause !== null);
  expect(link.events).toHaveLength(1);
  return link.cause;
}

describe.skipIf(skipWithoutMosquitto)("a node with a certificate, at a mosquitto that wants one", () => {
  let mosquitto: Mosquitto;

  beforeAll(async () => {
    mosquitto = await startMosquitto({
      scheme: "mqtts",
      config: [
        `cafile ${authority.caPath}`,
        `certfile ${server.certPath}`,
        `keyfile ${server.keyPath}`,
        "tls_version tlsv1.3",
        "require_certificate true",
        "use_identity_as_username true",
        "allow_anonymous false",
        `acl_file ${authority.dir}/acl`,
      ],
      files: { [`${authority.dir}/acl`]: "pattern write city/%u/#\n" },
    });
  });

  afterAll(() => mosquitto.stop());

  it("may write under its own name, and is told that it may not under another", async () => {
    const link = new RecordedLink(brokerAt(mosquitto.port, nodeTls()));
    await until(() => link.connected !== null);
    link.link.publish(message("city/n0042/summary", "{}"), 1);
    link.link.publish(message("city/n0043/summary", "{}"), 2);
    link.link.publish(message("city/n0042/summary", "{}"), 3);
    await until(() => link.acknowledged.length === 3);
    const reasons = new Map(link.acknowledged.map(({ token, reasonCode }) => [token, reasonCode]));
    expect(reasons.get(2)).toBe(0x87);
    for (const token of [1, 3]) expect([0x00, 0x10]).toContain(reasons.get(token));
    link.link.end();
    await until(() => link.cause !== null);
    expect(link.cause).toEqual({ is: "asked" });
  });

  it("speaks TLS 1.3 without Nagle", async () => {
    const setNoDelay = vi.spyOn(Socket.prototype, "setNoDelay");
    const link = new RecordedLink(brokerAt(mosquitto.port, nodeTls()));
    await until(() => link.connected !== null);
    const socket = setNoDelay.mock.contexts.find((each) => each instanceof Socket && each.remotePort === mosquitto.port);
    vi.restoreAllMocks();
    expect(socket).toMatchObject({ encrypted: true, authorized: true });
    expect((socket as unknown as { getProtocol(): string }).getProtocol()).toBe("TLSv1.3");
    link.link.end();
    await until(() => link.cause !== null);
  });

  it("is turned away without it", async () => {
    expect((await causeOf(mosquitto.port, { ca: text(authority.ca) }))?.is).toBe("network");
  });

  it("uses a certificate that was renewed on disk at the next connection", async () => {
    const strange = await stranger.issue("n0042");
    let now = strange;
    const tls = { ca: text(authority.ca), cert: async () => now.cert, key: async () => now.key };
    const broker = brokerAt(mosquitto.port, tls);
    const refused = new RecordedLink(broker);
    await until(() => refused.cause !== null);
    expect(refused.connected).toBeNull();
    now = node;
    const link = new RecordedLink(broker);
    await until(() => link.connected !== null);
    link.link.end();
    await until(() => link.cause !== null);
  });
});

describe("a server whose certificate is not right", () => {
  let stop: () => void = () => {};

  afterEach(() => {
    vi.unstubAllEnvs();
    stop();
  });

  /** A TLS server that would talk to anybody; what it says after the handshake does not matter here. */
  const serve = async (options: TlsOptions): Promise<number> => {
    const listening = createServer(options);
    listening.on("tlsClientError", () => {});
    listening.on("secureConnection", (socket) => socket.on("error", () => {}));
    listening.listen(0, "127.0.0.1");
    await once(listening, "listening");
    stop = () => listening.close();
    return (listening.address() as AddressInfo).port;
  };
  const ca = { ca: () => Promise.resolve(authority.ca) };

  it("is left when its certificate has expired", async () => {
    const port = await serve(await authority.issue("localhost", { fromDays: -2, toDays: -1 }));
    expect(await causeOf(port, ca)).toEqual({ is: "network", code: "CERT_HAS_EXPIRED" });
  });

  it("is left when its certificate is not valid yet, which is what a node without a clock sees", async () => {
    const port = await serve(await authority.issue("localhost", { fromDays: 1, toDays: 2 }));
    expect(await causeOf(port, ca)).toEqual({ is: "network", code: "CERT_NOT_YET_VALID" });
  });

  it("is left when another authority vouches for it", async () => {
    const port = await serve(await stranger.issue("localhost"));
    expect(await causeOf(port, ca)).toEqual({ is: "network", code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
  });

  it("is left when nobody but itself vouches for it, whatever the environment says", async () => {
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    const port = await serve({ cert: stranger.ca, key: stranger.key });
    expect(await causeOf(port, ca)).toEqual({ is: "network", code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  });

  it("is left by a node that was given no authority of its own", async () => {
    const port = await serve(server);
    expect(await causeOf(port)).toEqual({ is: "network", code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
  });

  it("is left when it goes by another name", async () => {
    const port = await serve(await authority.issue("localhost", undefined, "DNS:localhost"));
    expect(await causeOf(port, ca, "127.0.0.1")).toEqual({ is: "network", code: "ERR_TLS_CERT_ALTNAME_INVALID" });
    stop();
    const other = await serve(await authority.issue("localhost", undefined, "DNS:elsewhere.example"));
    expect(await causeOf(other, ca)).toEqual({ is: "network", code: "ERR_TLS_CERT_ALTNAME_INVALID" });
  });

  it("is left when it cannot do TLS 1.3", async () => {
    const port = await serve({ ...server, maxVersion: "TLSv1.2" });
    // Node 20 calls it EPROTO, later ones by the alert.
    expect(await causeOf(port, ca)).toMatchObject({ is: "network", code: expect.stringMatching(/^(EPROTO|ERR_SSL_.*PROTOCOL_VERSION)$/) });
  });

  it("is not even asked when our own key is not one, and the key is not shown", async () => {
    const tls = { ...ca, cert: text(node.cert), key: text("not a key: hunter2") };
    const cause = await causeOf(1, tls);
    expect(cause).toMatchObject({ is: "network", code: expect.stringMatching(/^ERR_OSSL_/) });
    expect(JSON.stringify(cause)).not.toContain("hunter2");
  });
});
