import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { createMqttBroker, type MqttBrokerOptions } from "../adapters/mqtt/mqtt-broker.ts";
import { type TextProvider, TlsFiles } from "../adapters/mqtt/tls-files.ts";
import { createCountryBooks } from "../adapters/residency/country-books.ts";
import { nameResolver } from "../adapters/residency/name-resolver.ts";
import { fetchPublic, fetchSecret } from "../adapters/secrets.ts";
import type { BrokerPlan, NodePlan, StringRef } from "../config/plan.ts";
import type { Events } from "../ports/events.ts";
import type { EvidenceLog } from "../ports/residency.ts";
import type { ResidencyWorld } from "../runtime/broker-guard.ts";
import type { WayToBroker } from "../runtime/broker-safety.ts";

/** How the broker is reached. Secrets and certificates are read at each connect; relative paths start at `base`. */
export function brokerOptions({ node, broker }: NodePlan, base: string): MqttBrokerOptions {
  const { url, protocol, keepAliveMs, username, password, tls } = broker;
  const secret =
    (reference: StringRef): TextProvider =>
    async () =>
      fetchSecret(whole(reference, base), process.env);
  const certificate =
    (reference: StringRef): TextProvider =>
    async () =>
      fetchPublic(whole(reference, base), process.env);
  return {
    url,
    protocol,
    clientId: node.id,
    keepAliveMs,
    ...(username === null ? {} : { username: secret(username) }),
    ...(password === null ? {} : { password: secret(password) }),
    pins: tls.pins,
    tls: {
      ...(tls.ca === null ? {} : { ca: certificate(tls.ca) }),
      ...(tls.cert === null ? {} : { cert: certificate(tls.cert) }),
      ...(tls.key === null ? {} : { key: secret(tls.key) }),
    },
  };
}

/**
 * What is missing when a node has never run is a mistake of the operator, and ends the start. On a node that has run, somebody was
 * renewing it when the power went, or the card has it no more: that is an outage of the way to the broker, and the node measures.
 */
export async function readableAtStart(options: MqttBrokerOptions, directory: string, events: Events): Promise<void> {
  try {
    await assertReadable(options);
  } catch (error) {
    if (!(error instanceof Error) || !existsSync(join(directory, "node.db"))) throw error;
    const remedy = "remedy" in error ? String(error.remedy) : "look at broker.username, broker.password and broker.tls";
    events.emit({ type: "BrokerSecretsUnusable", detail: error.message, remedy });
  }
}

/** Rejects when a secret or a certificate is missing, open to others, or does not fit. */
export async function assertReadable({ username, password, tls }: MqttBrokerOptions): Promise<void> {
  for (const provider of [username, password]) await provider?.();
  await new TlsFiles(tls ?? {}).material();
}

/** Who is asked where the broker stands. `evidence`: where that is written down. */
export function residencyWorld({ residency }: BrokerPlan, evidence: EvidenceLog): ResidencyWorld {
  return { resolver: nameResolver, books: createCountryBooks(residency.databases), evidence };
}

/** The broker with all that is known about it. A node holds one `evidence`, whatever is reloaded: its records are a chain. */
export function wayToBroker({ broker }: NodePlan, options: MqttBrokerOptions, evidence: EvidenceLog): Required<WayToBroker> {
  const mqtt = createMqttBroker(options);
  return { broker: mqtt, identity: mqtt.identity, residency: residencyWorld(broker, evidence) };
}

/** Relative paths start at `base`. */
export function withDatabases(broker: BrokerPlan, base: string): BrokerPlan {
  const { location, operator } = broker.residency.databases;
  const from = (path: string | null): string | null => (path === null ? null : resolve(base, path));
  return { ...broker, residency: { ...broker.residency, databases: { location: from(location), operator: from(operator) } } };
}

function whole(reference: StringRef, base: string): StringRef {
  return typeof reference !== "string" && "file" in reference ? { file: resolve(base, reference.file) } : reference;
}
