import { describe, expect, it } from "vitest";
import { evidenceSentence } from "../../../../src/core/residency/evidence.ts";
import { newEvidence } from "../../../support/evidence.ts";

const record = newEvidence({
  tls: { protocol: "TLSv1.3", cipher: "x", group: "X25519", spki: "abc=", issuer: "CN=CA", validTo: "2027-01-01T00:00:00Z", pinned: true },
  provider: {
    name: "Voorbeeld BV",
    processing: ["EU", "EEA"],
    document: "annex 2 of the contract",
    sha256: null,
    validUntil: "2027-01-01",
  },
});

describe("the sentence of a record", () => {
  it("is the one that the privacy reference allows", () => {
    expect(evidenceSentence(record)).toBe(
      "On 2026-11-23 the node connected only to mqtt.voorbeeld.example, whose address was listed in DE (database 2026-06-17) on a " +
        "network announced by an operator registered in DE; the TLS key matched the enrolled pin; the provider, Voorbeeld BV, declared " +
        "processing in EU/EEA in annex 2 of the contract.",
    );
  });

  it("leaves out what was not found out, and says what speaks against it", () => {
    const said = evidenceSentence({
      ...record,
      clockTrusted: false,
      addresses: [
        { address: "5.161.1.1", location: "US", operator: "DE" },
        { address: "116.203.1.1", location: "DE", operator: null },
      ],
      mode: "warn",
      standing: "contradicted",
      reasons: ["location-outside", "operator-unknown"],
      tls: record.tls === null ? null : { ...record.tls, pinned: null },
      provider: null,
    });
    expect(said).toBe(
      "On a day that is not known (a clock that nobody vouched for said 2026-11-23) the node connected only to mqtt.voorbeeld.example, " +
        "whose address was listed in DE and US (database 2026-06-17), outside of EU, EEA, on a network whose operator is not listed; the " +
        "TLS certificate was that of the host, and no pin is enrolled. Noted: it has an address that is listed outside what the config " +
        "allows; nobody is listed as the operator of its network.",
    );
  });

  it("calls a private network declared, and this machine this machine", () => {
    expect(evidenceSentence({ ...record, standing: "declared-private", tls: null, provider: null })).toContain(
      "whose address is in a private network; where that leads is declared by the operator of the node.",
    );
    expect(evidenceSentence({ ...record, standing: "loopback", tls: null, provider: null })).toContain("which is on the same machine.");
  });

  it("does not lean on a declaration that has ended", () => {
    expect(evidenceSentence({ ...record, at: "2027-01-02T00:00:00Z" })).toContain(
      "the declaration of the provider in annex 2 of the contract ended on 2027-01-01",
    );
  });

  it("tells why there was no connection", () => {
    expect(evidenceSentence({ ...record, connectedTo: null, reasons: ["location-outside"], tls: null })).toBe(
      "On 2026-11-23 at 10:00 UTC the node did not connect to mqtt.voorbeeld.example: it has an address that is listed outside what " +
        "the config allows.",
    );
    expect(evidenceSentence({ ...record, connectedTo: null, clockTrusted: false, reasons: ["no-address"], tls: null })).toBe(
      "At a time that is not known (a clock that nobody vouched for said 2026-11-23T10:00:00Z) the node did not connect to " +
        "mqtt.voorbeeld.example: the name has no address.",
    );
  });

  it("tells that a connection was ended, not that there was none", () => {
    expect(evidenceSentence({ ...record, event: "ended", reasons: ["location-outside"] })).toBe(
      "On 2026-11-23 at 10:00 UTC the node ended its connection to mqtt.voorbeeld.example: it has an address that is listed outside " +
        "what the config allows.",
    );
  });

  it("tells how often the same was connected to without a record", () => {
    expect(evidenceSentence({ ...record, repeats: 12 })).toMatch(
      /in annex 2 of the contract\. Since the last record of that address, with the same key, it was connected to 12 more times\.$/,
    );
    expect(evidenceSentence({ ...record, repeats: 1, tls: null })).toMatch(
      /Since the last record of that address, it was connected to 1 more time\.$/,
    );
  });
});
