import { type EvidenceFacts, evidenceSentence } from "../../src/core/residency/evidence.ts";
import type { NewEvidence } from "../../src/ports/residency.ts";

/** A record of a node that is connected to a broker in Germany. */
export function newEvidence(changes: Partial<NewEvidence> = {}): NewEvidence {
  const record: EvidenceFacts = {
    v: 1,
    node: "n0042",
    instance: "9f3a01c2",
    event: "connected",
    at: "2026-11-23T10:00:00Z",
    clockTrusted: true,
    host: "mqtt.voorbeeld.example",
    port: 8883,
    connectedTo: "116.203.1.1:8883",
    addresses: [{ address: "116.203.1.1", location: "DE", operator: "DE" }],
    mode: "strict",
    allow: ["EU", "EEA"],
    operator: "record",
    standing: "listed",
    reasons: [],
    databases: { location: { made: "2026-06-17", source: "a" }, operator: { made: "2026-06-17", source: "b" } },
    tls: null,
    provider: null,
    ...changes,
  };
  return { ...record, says: evidenceSentence(record) };
}
