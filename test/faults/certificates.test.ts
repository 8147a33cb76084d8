import { createHash, X509Certificate } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CertificateAuthority, type Issued, type Validity } from "../support/certificates.ts";
import { faultRow } from "../support/fault-table.ts";
import { type Lab, openLab } from "../support/lab.ts";
import type { Mosquitto } from "../support/mosquitto.ts";
import type { NodeSite } from "../support/node-process.ts";

// A real mosquitto behind TLS that wants a certificate of the node, and the built node. Files are renewed on disk, as an operator does.

let authority: CertificateAuthority;
beforeAll(async () => {
  authority = await CertificateAuthority.create();
});
afterAll(() => authority.remove());

const pinOf = (pem: string): string =>
  `sha256/${createHash("sha256")
    .update(new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" }))
    .digest("base64")}`;

interface Scene {
  readonly site: NodeSite;
  readonly broker: Mosquitto;
  /** Puts other files where broker and node look for theirs. */
  serveWith(server: Issued): void;
  giveNode(pair: { readonly cert: string; readonly key: string }): void;
}

async function scene(lab: Lab, server: Issued, more: { pins?: readonly string[]; time?: object } = {}): Promise<Scene> {
  const node = await authority.issue("n0042");
  // A folder of its own for each test: several may run on one authority.
  const path = (name: string) => join(authority.dir, `${server.certPath.split("/").at(-1)}-${name}`);
  const serveWith = ({ cert, key }: Issued): void => {
    writeFileSync(path("server.pem"), cert);
    writeFileSync(path("server.key"), key, { mode: 0o600 });
  };
  const giveNode = ({ cert, key }: { readonly cert: string; readonly key: string }): void => {
    writeFileSync(path("node.key"), key, { mode: 0o600 });
    writeFileSync(path("node.pem"), cert);
  };
  serveWith(server);
  giveNode(node);
  const broker = await lab.mosquitto({
    scheme: "mqtts",
    config: [
      `cafile ${authority.caPath}`,
      `certfile ${path("server.pem")}`,
      `keyfile ${path("server.key")}`,
      "tls_version tlsv1.3",
      "require_certificate true",
      "use_identity_as_username true",
      "allow_anonymous false",
      "log_type all",
    ],
  });
  const site = lab.site({
    broker: {
      url: `mqtts://localhost:${broker.port}`,
      tls: { ca: authority.caPath, cert: path("node.pem"), key: { file: path("node.key") }, pins: more.pins ?? [] },
    },
    sensors: { air: { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30 } } } } },
    ...(more.time === undefined ? {} : { time: more.time }),
  });
  return { site, broker, serveWith, giveNode };
}

const DAY: Validity = { fromDays: -1, toDays: 1 };
/** What mosquitto writes of a client whose CONNECT it has read. */
const connectsIn = (broker: Mosquitto): number => broker.log().match(/New client connected/g)?.length ?? 0;

describe("the broker's certificate", () => {
  it.each([
    ["has expired", { fromDays: -2, toDays: -1 }, [], "CERT_HAS_EXPIRED"],
    ["is not valid yet", { fromDays: 1, toDays: 2 }, [], "CERT_NOT_YET_VALID"],
    ["has another key than the pinned one", DAY, ["sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="], "TLS_PIN_MISMATCH"],
  ] as const)("%s: nothing is sent until it is right", { timeout: 120_000 }, async (what, validity, otherPins, code) => {
    const lab = openLab();
    const bad = await authority.issue("localhost", validity);
    const good = await authority.issue("localhost");
    const pins = otherPins.length === 0 ? [] : [...otherPins, pinOf(good.cert)];
    const { site, broker, serveWith } = await scene(lab, bad, { pins });
    const node = await site.runUntilReady();
    const refused = await node.event("BrokerDisconnected");
    expect(refused).toMatchObject({ cause: "network", detail: code });
    await site.statusWhen(({ status }) => status.outbox.pending > 1);
    expect(connectsIn(broker)).toBe(0);
    serveWith(good);
    await broker.restart();
    await node.event("BrokerConnected", () => true, 60_000);
    await site.statusWhen(({ status }) => status.outbox.pending === 0 && status.outbox.lastSeq > 0);
    const attempts = node.events("BrokerDisconnected").length;
    faultRow({
      fault: `Certificate: the broker's ${what}`,
      injected: `mosquitto with such a certificate, met ${attempts === 1 ? "once" : `${attempts} times`}; then with a right one`,
      promised: "no MQTT byte leaves, the cause is named, summaries wait; no restart is needed",
      measured: `${code}; 0 CONNECTs reached the broker; everything arrived after its certificate was right`,
    });
  });
});

describe("the clock", () => {
  const library = ["x86_64-linux-gnu", "aarch64-linux-gnu", "arm-linux-gnueabihf"]
    .map((machine) => `/usr/lib/${machine}/faketime/libfaketime.so.1`)
    .find((path) => existsSync(path));

  it.skipIf(library === undefined)("that is years slow is blamed, and not the broker", { timeout: 120_000 }, async () => {
    const lab = openLab();
    const { site, broker } = await scene(lab, await authority.issue("localhost"), { time: { source: "system" } });
    const slow = { LD_PRELOAD: library ?? "", FAKETIME: "-2000d", DONT_FAKE_MONOTONIC: "1", FAKETIME_NO_CACHE: "1" };
    const node = await site.runUntilReady(slow);
    const refused = await node.event("BrokerDisconnected");
    expect(refused).toMatchObject({ cause: "network", detail: "CERT_NOT_YET_VALID, clock not trusted" });
    const { status } = await site.status();
    expect(status.problems.map(({ code }) => code)).toContain("TIME_UNTRUSTED");
    // Its own certificate is not called new, old or ending by a clock like that.
    expect(status.problems.map(({ code }) => code)).not.toContain("CERT_EXPIRED");
    expect(status.expires.cert).not.toBeNull();
    expect(connectsIn(broker)).toBe(0);
    faultRow({
      fault: "Clock: years slow when a certificate is checked",
      injected: "libfaketime, 2,000 days back, nobody vouches for the clock; mosquitto with a right certificate",
      promised: "the certificate is still checked; the node says that its clock is not trusted, and judges no expiry by it",
      measured: "CERT_NOT_YET_VALID, clock not trusted; 0 CONNECTs reached the broker",
    });
  });
});

describe("the node's own certificate", () => {
  it("is renewed while it runs, and half a renewal changes nothing", { timeout: 120_000 }, async () => {
    const lab = openLab();
    const { site, broker, giveNode } = await scene(lab, await authority.issue("localhost"));
    const old = await authority.issue("n0042");
    const renewed = await authority.issue("n0042", { fromDays: -1, toDays: 400 });
    giveNode(old);
    const node = await site.runUntilReady();
    await node.event("BrokerConnected");
    const before = (await site.statusWhen(({ status }) => status.expires.cert !== null)).status.expires.cert;
    giveNode({ cert: renewed.cert, key: old.key });
    await broker.restart();
    await site.statusWhen(({ status }) => status.problems.some(({ code }) => code === "TLS_PAIR_MISMATCH"), 60_000);
    const half = await site.statusWhen(({ connection }) => connection.isUp, 60_000);
    expect(half.status.expires.cert).toBe(before);
    giveNode(renewed);
    await broker.restart();
    const whole = await site.statusWhen(
      ({ status, connection }) => connection.isUp && status.problems.every(({ code }) => code !== "TLS_PAIR_MISMATCH"),
      60_000,
    );
    expect(whole.status.expires.cert).toBe(new Date(new X509Certificate(renewed.cert).validTo).toISOString().replace(".000Z", "Z"));
    expect(whole.status.problems.map(({ code }) => code)).toEqual(["CA_EXPIRES_SOON"]);
    expect(node.events("TlsRenewalUnusable")).toHaveLength(1);
    faultRow({
      fault: "Certificate: renewed before its key",
      injected: "certificate and key files of the node replaced one after the other, the broker restarted in between and after",
      promised: "the old pair is used until the new one is whole, TLS_PAIR_MISMATCH in status; then the new one, without a restart",
      measured: "connected with the old pair, then with the new; status shows the new end",
    });
  });
});
