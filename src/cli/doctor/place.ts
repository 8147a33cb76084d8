import type { MqttBrokerOptions } from "../../adapters/mqtt/mqtt-broker.ts";
import { TlsFiles } from "../../adapters/mqtt/tls-files.ts";
import { nameResolver } from "../../adapters/residency/name-resolver.ts";
import type { NodePlan } from "../../config/plan.ts";
import { expiryOf } from "../../core/residency/certificate-dates.ts";
import { reasonWords } from "../../core/residency/evidence.ts";
import { failureRemedy } from "../../core/residency/failure-remedies.ts";
import { addressKind, judgeResidency } from "../../core/residency/verdict.ts";
import { type EpochMs, epochMs, isoUtc } from "../../core/units/time.ts";
import type { CountryBooks, NameResolver } from "../../ports/residency.ts";
import { advice, broken, type Finding, ok } from "./finding.ts";

/** Where the broker stands, before anything is sent there. */
export interface Place {
  readonly findings: readonly Finding[];
  /** The config does not let anything be sent there. */
  readonly isRefused: boolean;
  /** What a probe may connect to, as options; empty: it was not looked up. */
  readonly addresses: Pick<MqttBrokerOptions, "addresses">;
}

const REMEDY = "ask the provider of the broker; stoep evidence tells what the node found, broker.residency what is allowed";

/** Looks the broker up as the node does. Nothing is written down: that is the node's. */
export async function examinePlace({ broker }: NodePlan, books: CountryBooks, resolver: NameResolver = nameResolver): Promise<Place> {
  const host = new URL(broker.url).hostname.replace(/^\[|\]$/g, "");
  const isHere = host.toLowerCase() === "localhost" || addressKind(host) === "loopback";
  const nothing: Place = { findings: [], isRefused: false, addresses: {} };
  if (isHere || broker.residency.mode === "off") return nothing;
  let addresses: readonly string[];
  try {
    addresses = addressKind(host) === "unusable" ? await resolver.addresses(host) : [host];
  } catch (error) {
    // A second question may be answered: what nobody judged gets no byte in strict mode. Else the connection says why, with a remedy.
    return broker.residency.mode === "strict" ? { ...nothing, findings: [unfound(host, error)], isRefused: true } : nothing;
  }
  const found = await books.lookUp(addresses);
  const databases = { location: found.location?.made ?? null, operator: found.operator?.made ?? null };
  const verdict = judgeResidency(broker.residency, { addresses: found.addresses, databases, now: epochMs(Date.now()) });
  const where = found.addresses.map(({ address, location, operator }) => `${address} in ${location ?? "?"}, run from ${operator ?? "?"}`);
  const why = verdict.reasons.map(reasonWords).join("; ");
  const says = `${host} is ${verdict.standing}: ${where.join("; ")}${why === "" ? "" : `. ${why}`}`;
  const isProven = verdict.standing === "listed" || verdict.standing === "declared-private";
  const finding = isProven && why === "" ? ok("residency", says) : (verdict.mayConnect ? advice : broken)("residency", says, REMEDY);
  return { findings: [finding], isRefused: !verdict.mayConnect, addresses: { addresses } };
}

function unfound(host: string, error: unknown): Finding {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  const remedy = failureRemedy(code) ?? "look at the uplink, and at the name server of this machine (resolvectl status)";
  return broken("residency", `${host} has no address to look up (${code}), so in strict mode nothing is sent there`, remedy);
}

/** Certificates on disk: whether they can be used, and how long. */
export async function examineIdentity({ tls }: MqttBrokerOptions): Promise<readonly Finding[]> {
  const { certEnds, caEnds, trouble } = await new TlsFiles(tls ?? {}).inspect();
  const now = epochMs(Date.now());
  const about = (what: string, ends: EpochMs | null): readonly Finding[] => {
    if (ends === null) return [];
    const says = `until ${isoUtc(ends).slice(0, 10)}`;
    const expiry = expiryOf(ends, now);
    if (expiry === null) return [ok(what, says)];
    return [(expiry === "soon" ? advice : broken)(what, says, "renew it: the node uses the new files at its next connection")];
  };
  const unusable = trouble === null ? [] : [broken("certificates", trouble, "put certificate and key of one request there, as PEM")];
  return [...unusable, ...about("own certificate", certEnds), ...about("authority", caEnds)];
}
