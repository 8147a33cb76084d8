import { chmodSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CertificateAuthority, type Issued } from "../../support/certificates.ts";
import { type Lab, openLab } from "../../support/lab.ts";
import type { Mosquitto } from "../../support/mosquitto.ts";
import { type NodeSite, type SiteConfig, stoep } from "../../support/node-process.ts";

const PASSWORD = "a-password-that-is-never-seen";

let authority: CertificateAuthority;
let server: Issued;
let own: Issued;

beforeAll(async () => {
  authority = await CertificateAuthority.create();
  [server, own] = [await authority.issue("localhost"), await authority.issue("n0042")];
  // As a package installs them: a certificate is public, a key is not.
  for (const path of [authority.caPath, own.certPath]) chmodSync(path, 0o644);
  chmodSync(own.keyPath, 0o600);
});
afterAll(() => authority.remove());

const sensors = { air: { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30 } } } } };

/** A broker that wants TLS 1.3, and a certificate of whoever connects. */
const strictBroker = (lab: Lab): Promise<Mosquitto> =>
  lab.mosquitto({
    scheme: "mqtts",
    config: [
      `cafile ${authority.caPath}`,
      `certfile ${server.certPath}`,
      `keyfile ${server.keyPath}`,
      "tls_version tlsv1.3",
      "require_certificate true",
      "use_identity_as_username true",
      "allow_anonymous false",
    ],
  });

const siteOf = (lab: Lab, broker: SiteConfig["broker"]): NodeSite => lab.site({ broker, sensors });

it.each([
  ["files that everybody may read, as certificates are", () => ({ ca: authority.caPath, cert: own.certPath })],
  ["text in the node file", () => ({ ca: authority.ca, cert: own.cert })],
])("connects over TLS with certificates in %s, and a key in a file of its own", async (_, certificates) => {
  const lab = openLab();
  const broker = await strictBroker(lab);
  const url = broker.url.replace("127.0.0.1", "localhost");
  const node = siteOf(lab, { url, tls: { ...certificates(), key: { file: own.keyPath } } }).run();
  await node.event("BrokerConnected");
  expect((await node.stop()).code).toBe(0);
});

it("takes a password from a credential of the service manager, and writes it nowhere", async () => {
  const lab = openLab();
  const broker = await lab.fakeBroker();
  const site = siteOf(lab, { url: broker.url, username: "n0042", password: { credential: "broker-password" } });
  writeFileSync(join(site.folder, "broker-password"), `${PASSWORD}\n`, { mode: 0o600 });
  const node = site.run({ CREDENTIALS_DIRECTORY: site.folder });
  await node.event("BrokerConnected");
  const [connect] = broker.received;
  expect(connect).toMatchObject({ cmd: "connect", clientId: "n0042", username: "n0042" });
  expect(connect?.cmd === "connect" && connect.password?.toString()).toBe(PASSWORD);
  expect((await stoep(["status", site.file, "--json"])).stdout).not.toContain(PASSWORD);
  await node.stop();
  expect(node.stdout + node.stderr).not.toContain(PASSWORD);
});

it.each([
  ["password is a credential that was not passed", { username: "n0042", password: { credential: "broker-password" } }, "LoadCredential="],
  ["password stands in an environment variable that is not set", { password: { env: "STOEP_NO_SUCH_PASSWORD" } }, "STOEP_NO_SUCH_PASSWORD"],
  ["authority is a file that is not there", { tls: { ca: "/nonexistent/ca.pem" } }, "/nonexistent/ca.pem"],
  ["key can be read by others", { tls: { cert: "CERT", key: { file: "OPEN" } } }, "chmod 600"],
])("a node that has never run ends with 69 before anything is opened, and says what to do, when the %s", async (_, settings, remedy) => {
  const lab = openLab();
  const site = siteOf(lab, { url: "mqtts://localhost:8883" });
  const open = join(site.folder, "open.key");
  writeFileSync(open, own.key, { mode: 0o644 });
  const text = JSON.stringify({ url: "mqtts://localhost:8883", ...settings })
    .replace("CERT", own.certPath)
    .replace("OPEN", open);
  site.write({ broker: JSON.parse(text), sensors });
  const { code, stderr } = await stoep(["run", site.file]);
  expect(code).toBe(69);
  expect(stderr).toContain("What to do:");
  expect(stderr).toContain(remedy);
  expect(readdirSync(site.storage)).toEqual([]);
  expect(readdirSync(site.live)).toEqual([]);
});

describe("a node that has run", () => {
  interface Files {
    readonly ca: string;
    readonly cert: string;
    readonly key: string;
  }

  it.each<[string, (files: Files, other: Issued) => void, string]>([
    ["a key that was renewed, and a certificate that was not", ({ key }, other) => renew(key, other.key), "TLS_PAIR_MISMATCH"],
    ["an authority without a byte", ({ ca }) => renew(ca, ""), "TLS_UNREADABLE"],
    ["a key that others can read", ({ key }) => chmodSync(key, 0o644), "SECRET_OPEN"],
  ])("measures when it is started with %s, and connects when that is mended", { timeout: 90_000 }, async (_, spoil, code) => {
    const lab = openLab();
    const broker = await strictBroker(lab);
    const url = broker.url.replace("127.0.0.1", "localhost");
    const site = siteOf(lab, { url });
    const files: Files = { ca: join(site.folder, "ca.pem"), cert: join(site.folder, "own.pem"), key: join(site.folder, "own.key") };
    const tls = Object.fromEntries(Object.entries(files).map(([name, file]) => [name, { file }]));
    const mend = (): void => {
      for (const [name, text] of Object.entries({ ca: authority.ca, cert: own.cert, key: own.key }))
        renew(files[name as keyof Files], text);
    };
    mend();
    site.write({ broker: { url, tls }, sensors });
    const first = await site.runUntilReady();
    await first.event("BrokerConnected");
    await first.kill9();
    spoil(files, await authority.issue("n0042"));
    const node = await site.runUntilReady();
    await node.event("BrokerSecretsUnusable", ({ remedy }) => typeof remedy === "string" && remedy !== "");
    await node.event("BrokerDisconnected", ({ cause, detail }) => `${cause} ${detail}`.includes(code));
    await node.event("SummaryMade");
    expect((await site.status()).sensors.air).toMatchObject({ state: "ok" });
    mend();
    await node.event("BrokerConnected", undefined, 40_000);
    expect((await node.stop()).code).toBe(0);
  });
});

/** As whoever renews it does: whole, or not at all. */
function renew(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
