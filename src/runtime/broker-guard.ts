import type { BrokerPlan } from "../config/plan.ts";
import type { NodeProblem } from "../core/events/problems.ts";
import { failureCode } from "../core/residency/certificate-dates.ts";
import { type EvidenceFacts, evidenceSentence, type ProviderDeclaration, type TlsFacts } from "../core/residency/evidence.ts";
import { addressKind, DATABASE_AGE_MS_MAX, decidingReasons, judgeResidency, type ResidencyVerdict } from "../core/residency/verdict.ts";
import { type EpochMs, epochMs, HOUR_MS, isoUtc } from "../core/units/time.ts";
import type { Broker, BrokerEvent, BrokerLink, BrokerListener, ConnectRequest } from "../ports/broker.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import type { BookEntries, BookFacts, CountryBooks, EvidenceLog, NameResolver, NewEvidence } from "../ports/residency.ts";
import { GuardedLink } from "./guarded-link.ts";
import { RecordedPlaces } from "./recorded-places.ts";
import type { TimeDesk } from "./time-desk.ts";

/** A name with more addresses than this is known by the first of them: only those are checked, and only those are connected to. */
const ADDRESSES_MAX = 16;
/** `localhost` is this machine by definition, whatever a resolver says (RFC 6761 §6.3). */
const LOCALHOST = ["127.0.0.1", "::1"];

/** Who is asked where a broker stands, and where that is written down. */
export interface ResidencyWorld {
  readonly resolver: NameResolver;
  readonly books: CountryBooks;
  readonly evidence: EvidenceLog;
}

export interface GuardWorld {
  readonly clock: Clock;
  readonly events: Events;
  readonly broker: Broker;
  readonly time: TimeDesk;
  readonly residency: ResidencyWorld;
  readonly node: string;
  readonly instance: string;
}

/** What `stoep status` shows of the broker beside its address. */
export interface BrokerSecurity {
  /** null: it was not looked up, or not yet. */
  readonly residency: ResidencyVerdict | null;
  /** Of the connection that there is; null: none, or without TLS. */
  readonly tls: TlsFacts | null;
}

interface Finding {
  readonly entries: BookEntries;
  readonly verdict: ResidencyVerdict;
}

/** Stands before the broker: looks up where it is, and lets the node connect to exactly the addresses that were looked up. */
export class BrokerGuard implements Broker {
  readonly #world: GuardWorld;
  readonly #plan: BrokerPlan;
  readonly #host: string;
  readonly #port: number;
  readonly #isHere: boolean;
  #found: Finding | null = null;
  #link: GuardedLink | null = null;
  #connectedTo: string | null = null;
  #tls: TlsFacts | null = null;
  #writtenMs = Number.NEGATIVE_INFINITY;
  readonly #recorded = new RecordedPlaces();
  #isEvidenceFailing = false;
  #isLooking = false;

  constructor(world: GuardWorld, plan: BrokerPlan) {
    this.#world = world;
    this.#plan = plan;
    const { hostname, port } = new URL(plan.url);
    this.#host = hostname.replace(/^\[|\]$/g, "");
    this.#port = Number(port);
    this.#isHere = this.#host.toLowerCase() === "localhost" || addressKind(this.#host) === "loopback";
  }

  /** Whether the place of the broker is looked at at all. */
  get #isLookedUp(): boolean {
    return !this.#isHere && this.#plan.residency.mode !== "off";
  }

  get security(): BrokerSecurity {
    const here: ResidencyVerdict = { standing: "loopback", mayConnect: true, reasons: [] };
    return { residency: this.#isHere ? here : (this.#found?.verdict ?? null), tls: this.#tls };
  }

  /** When the older of the two databases reaches the age at which it says so; null: none was asked. */
  get databasesEnd(): EpochMs | null {
    const { location, operator } = this.#found?.entries ?? { location: null, operator: null };
    const made = [location, operator].flatMap((book) => (book === null ? [] : [book.made]));
    return made.length === 0 ? null : epochMs(Math.min(...made) + DATABASE_AGE_MS_MAX);
  }

  /** What is wrong, by code, and whether it is. */
  problems(): readonly (readonly [NodeProblem, boolean])[] {
    const verdict = this.#found?.verdict ?? null;
    const now = this.#world.time.now();
    const provider = this.#isLookedUp ? this.#plan.residency.provider : null;
    return [
      ["BROKER_NOT_ALLOWED", verdict?.mayConnect === false],
      ["RESIDENCY_CONTRADICTED", verdict?.standing === "contradicted"],
      ["RESIDENCY_UNPROVEN", verdict?.standing === "unproven"],
      ["RESIDENCY_DATABASE_OLD", verdict?.reasons.includes("database-old") === true],
      ["PROVIDER_DECLARATION_ENDED", now !== null && hasEnded(provider, now)],
      ["EVIDENCE_FAILED", this.#isEvidenceFailing],
    ];
  }

  connect(request: ConnectRequest, listener: BrokerListener): BrokerLink {
    const link = new GuardedLink(this.#world.clock, request.timeoutMs, listener);
    this.#link = link;
    if (this.#isLookedUp) void this.#admit(link, request);
    else
      link.open(this.#world.broker, this.#isHere ? { ...request, addresses: this.#localAddresses() } : request, (event) =>
        this.#heard(event),
      );
    return link;
  }

  /** Called once a second. An hour after the last record the addresses are looked up in the databases of that hour. */
  tick(): void {
    if (!this.#isLookedUp || this.#connectedTo === null || this.#isLooking) return;
    if (this.#world.clock.monotonicMs() - this.#writtenMs >= HOUR_MS) void this.#lookAgain();
  }

  #localAddresses(): readonly string[] {
    return addressKind(this.#host) === "loopback" ? [this.#host] : LOCALHOST;
  }

  async #admit(link: GuardedLink, request: ConnectRequest): Promise<void> {
    let finding: Finding;
    let addresses: readonly string[];
    try {
      const all = addressKind(this.#host) === "unusable" ? await this.#world.residency.resolver.addresses(this.#host) : [this.#host];
      addresses = all.slice(0, ADDRESSES_MAX);
      finding = await this.#judge(addresses);
    } catch (error) {
      link.close({ is: "network", code: codeOf(error) });
      return;
    }
    this.#learn(finding);
    if (!finding.verdict.mayConnect) {
      if (this.#isDue("refused", finding)) void this.#write("refused", finding);
      link.close({ is: "network", code: `RESIDENCY_REFUSED ${decidingReasons(finding.verdict).join(" ")}` });
      return;
    }
    link.open(this.#world.broker, { ...request, addresses }, (event) => this.#heard(event));
  }

  async #judge(addresses: readonly string[]): Promise<Finding> {
    const entries = await this.#world.residency.books.lookUp(addresses);
    const databases = { location: entries.location?.made ?? null, operator: entries.operator?.made ?? null };
    const verdict = judgeResidency(this.#plan.residency, { addresses: entries.addresses, databases, now: this.#world.time.now() });
    return { entries, verdict };
  }

  #learn(finding: Finding): void {
    const isNews = this.#found === null || this.#fingerprint(this.#found) !== this.#fingerprint(finding);
    this.#found = finding;
    const { standing, mayConnect, reasons } = finding.verdict;
    if (isNews) this.#world.events.emit({ type: "BrokerLookedUp", host: this.#host, standing, mayConnect, reasons: reasons.join(" ") });
  }

  #fingerprint({ entries, verdict }: Finding): string {
    // A name server may give the same addresses in another order each time.
    const addresses = [...entries.addresses].sort((one, other) => (one.address < other.address ? -1 : 1));
    return JSON.stringify([verdict, addresses]);
  }

  /** Of a refusal all that was found; of a connection where it leads, and to whom. */
  #placeOf(event: NewEvidence["event"], finding: Finding): string {
    if (event === "refused" || event === "ended") return `refused ${this.#fingerprint(finding)}`;
    return JSON.stringify([this.#connectedTo, this.#tls?.spki ?? null]);
  }

  #isDue(event: NewEvidence["event"], finding: Finding): boolean {
    const nowMs = this.#world.clock.monotonicMs();
    return this.#recorded.isDue(this.#placeOf(event, finding), JSON.stringify(finding.verdict), nowMs);
  }

  #heard(event: BrokerEvent): BrokerEvent {
    switch (event.type) {
      case "connected":
        this.#connectedTo = event.address;
        this.#tls = event.tls ?? null;
        this.#note();
        return event;
      case "acknowledged":
        return event;
      case "closed": {
        this.#connectedTo = null;
        this.#tls = null;
        const { cause } = event;
        if (cause.is !== "network") return event;
        return { ...event, cause: { ...cause, code: failureCode(cause.code, this.#world.time.now() !== null) } };
      }
    }
  }

  /** There is a connection: it is written down, or counted where the same was written down within the hour. */
  #note(): void {
    if (this.#found === null) return;
    if (this.#isDue("connected", this.#found)) void this.#write("connected", this.#found);
    else this.#recorded.repeat(this.#placeOf("connected", this.#found));
  }

  async #lookAgain(): Promise<void> {
    const addresses = this.#found?.entries.addresses.map(({ address }) => address) ?? [];
    this.#isLooking = true;
    try {
      const finding = await this.#judge(addresses);
      this.#learn(finding);
      if (this.#connectedTo === null) return;
      const { mayConnect } = finding.verdict;
      // Its facts are taken now; the card may be slow, and nothing more is sent there meanwhile.
      const written = this.#write(mayConnect ? "hourly" : "ended", finding);
      if (!mayConnect) this.#link?.destroy();
      await written;
    } finally {
      this.#isLooking = false;
    }
  }

  async #write(event: NewEvidence["event"], { entries, verdict }: Finding): Promise<void> {
    const { time, clock, events, residency, node, instance } = this.#world;
    const { mode, allow, operator, provider } = this.#plan.residency;
    this.#writtenMs = clock.monotonicMs();
    const place = this.#placeOf(event, { entries, verdict });
    const repeats = this.#recorded.take(place, JSON.stringify(verdict), this.#writtenMs);
    const isConnected = event !== "refused";
    const record: EvidenceFacts = {
      v: 1,
      node,
      instance,
      event,
      at: isoUtc(time.best()),
      clockTrusted: time.now() !== null,
      host: this.#host,
      port: this.#port,
      connectedTo: isConnected ? this.#connectedTo : null,
      addresses: entries.addresses,
      mode,
      allow,
      operator,
      standing: verdict.standing,
      reasons: verdict.reasons,
      databases: { location: bookText(entries.location), operator: bookText(entries.operator) },
      tls: isConnected ? this.#tls : null,
      provider,
      ...(repeats === 0 ? {} : { repeats }),
    };
    try {
      await residency.evidence.append({ ...record, says: evidenceSentence(record) });
      this.#isEvidenceFailing = false;
    } catch (error) {
      // It is a record of what was done, not a condition for it: summaries go on, and status says that it is missing.
      this.#isEvidenceFailing = true;
      this.#recorded.giveBack(place, repeats + (event === "connected" ? 1 : 0));
      events.emit({ type: "EvidenceFailed", detail: codeOf(error) });
    }
  }
}

const hasEnded = (provider: ProviderDeclaration | null, now: EpochMs): boolean =>
  provider !== null && provider.validUntil !== null && isoUtc(now).slice(0, 10) > provider.validUntil;

const bookText = (book: BookFacts | null) => (book === null ? null : { made: isoUtc(book.made).slice(0, 10), source: book.source });

const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : String(error));
