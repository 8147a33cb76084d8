import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { readEvidence } from "../../src/adapters/residency/evidence-reader.ts";
import { CertificateAuthority, type Issued } from "../support/certificates.ts";
import { faultRow } from "../support/fault-table.ts";
import { openLab } from "../support/lab.ts";
import type { NodeSite } from "../support/node-process.ts";
import { STREET_PORT, Street, skipWithoutNamespaces } from "../support/street.ts";

// Addresses as the two databases have them: a data centre in Germany, one in the United States.
const HOME = "116.203.1.1";
const ABROAD = "5.161.1.1";
const NAME = "broker.voorbeeld.test";

let authority: CertificateAuthority;
let server: Issued;

beforeAll(async () => {
  authority = await CertificateAuthority.create();
  // Both hosts have it: only the name server lies, and TLS alone would find nothing wrong.
  server = await authority.issue(NAME, undefined, `DNS:${NAME}`);
});
afterAll(() => authority.remove());

function streetWith(mode: "strict" | "warn", answers: readonly (readonly string[])[]): { site: NodeSite; street: Street } {
  const site = openLab().site({
    broker: {
      url: `mqtts://${NAME}:${STREET_PORT}`,
      tls: { ca: authority.caPath },
      residency: { mode, allow: ["EU"] },
      allowSimulated: true,
      // Backoff begins there: a street of one node need not spread.
      spread: "1s",
    },
    sensors: { air: { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30 } } } } },
  });
  const street = new Street(site, server, [HOME, ABROAD], answers);
  onTestFinished(() => street.stop());
  return { site, street };
}

async function evidenceOf(site: NodeSite): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { record, fault } of readEvidence(site.storage, null)) {
    expect(fault).toBeNull();
    found.push(`${record?.event} ${record?.connectedTo}`);
  }
  return found;
}

describe.skipIf(skipWithoutNamespaces)("a name server", () => {
  it("that mixes addresses here and abroad gets no connection to either, until it stops", { timeout: 180_000 }, async () => {
    const { site, street } = streetWith("strict", [[HOME, ABROAD]]);
    await street.until(() => street.facts.queries >= 3);
    expect(street.facts.connections).toEqual({});
    // Health is looked at once a second.
    const { status, connection, security } = await site.statusWhen(({ status: { health } }) => health === "failing");
    expect(connection.trouble).toBe("network: RESIDENCY_REFUSED location-outside");
    expect(status.problems.map(({ code }) => code)).toContain("BROKER_NOT_ALLOWED");
    expect(security.residency).toMatchObject({ standing: "contradicted", mayConnect: false });
    const refusals = street.facts.queries;
    street.answer([[HOME]]);
    await street.until(() => (street.facts.summaries[HOME] ?? 0) > 0);
    expect(street.facts.connections).toEqual({ [HOME]: 1 });
    expect(await evidenceOf(site)).toEqual(["refused null", `connected ${HOME}:${STREET_PORT}`]);
    faultRow({
      fault: "Name: the broker's leads abroad",
      injected: `a name server that answers with an address in the EU and one in the US, ${refusals} times; then with the first alone`,
      promised: "strict: no connection to either, status failing, a signed record; everything made meanwhile is sent afterwards",
      measured: `0 connections and 0 bytes in ${refusals} attempts; connected at the first good answer, and the summaries arrived`,
    });
  });

  it("that changes its mind after the check changes nothing, and is refused at the next connection", { timeout: 180_000 }, async () => {
    const { site, street } = streetWith("strict", [[HOME], [ABROAD]]);
    await street.until(() => (street.facts.summaries[HOME] ?? 0) > 0);
    // One question for one connection: between check and connect nobody was asked again.
    expect(street.facts.queries).toBe(1);
    street.cut();
    await street.until(() => street.facts.queries >= 4);
    expect(street.facts.connections).toEqual({ [HOME]: 1 });
    expect(street.facts.bytes[ABROAD]).toBeUndefined();
    expect(await evidenceOf(site)).toEqual([`connected ${HOME}:${STREET_PORT}`, "refused null"]);
    faultRow({
      fault: "Name: the broker's changes after the check",
      injected:
        "a name server with TTL 0 that answers with an address in the EU once and with one in the US ever after; the connection cut",
      promised: "the node connects to the address that it checked, and to no other",
      measured: "1 question for 1 connection; 0 connections to the other address, also after the cut",
    });
  });

  it("could lead a node abroad that only warns: the street would have seen it", { timeout: 180_000 }, async () => {
    const { site, street } = streetWith("warn", [[ABROAD]]);
    await street.until(() => (street.facts.summaries[ABROAD] ?? 0) > 0);
    const { status } = await site.status();
    expect(status.problems.map(({ code }) => code)).toContain("RESIDENCY_CONTRADICTED");
    expect(status.health).toBe("degraded");
  });
});
