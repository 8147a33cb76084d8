import { describe, expect, it } from "vitest";
import { DAY_MS, epochMs, HOUR_MS } from "../../../src/core/units/time.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { GERMAN, type GuardScene, guardBefore } from "../../support/guards.ts";
import { RecordedLink } from "../../support/link-recorder.ts";
import { ScriptedBroker } from "../../support/scripted-broker.ts";

function bench(scene: GuardScene = {}) {
  const clock = new VirtualClock();
  const broker = new ScriptedBroker(clock);
  const guarded = guardBefore(broker, clock, scene);
  const connect = async (timeoutMs = 30_000) => {
    const link = new RecordedLink(guarded.guard, { timeoutMs });
    await clock.advance(0);
    return link;
  };
  return { clock, broker, connect, ...guarded };
}

describe("the way to a broker whose place is asked for", () => {
  it("goes to the addresses that were looked up, and no others", async () => {
    const { broker, connect, state, problems } = bench({ addresses: async () => [GERMAN, "51.68.1.1"] });
    await connect();
    expect(broker.requests.map(({ addresses }) => addresses)).toEqual([[GERMAN, "51.68.1.1"]]);
    expect(state.asked).toEqual(["mqtt.voorbeeld.example"]);
    expect(problems()).toEqual([]);
  });

  it.each([
    ["one address of several elsewhere", [GERMAN, "5.161.1.1"], "location-outside"],
    ["addresses that are listed nowhere", ["11.0.0.1"], "location-unknown operator-unknown"],
    ["an address in a VPN and one outside", [GERMAN, "10.0.0.1"], "mixed-kinds"],
    ["no address at all", [], "no-address"],
    ["the address that is everywhere", ["1.1.1.1"], "anycast location-unknown operator-unknown"],
  ])("is not taken in strict mode with %s", async (_name, addresses, reasons) => {
    const { broker, connect, state, problems } = bench({ addresses: async () => addresses });
    const link = await connect();
    expect(link.cause).toEqual({ is: "network", code: `RESIDENCY_REFUSED ${reasons}` });
    expect(broker.requests).toEqual([]);
    expect(problems()).toContain("BROKER_NOT_ALLOWED");
    expect(state.records.map(({ event, connectedTo }) => [event, connectedTo])).toEqual([["refused", null]]);
  });

  it("is taken in warn mode, and status and evidence say what is wrong", async () => {
    const { broker, connect, state, problems } = bench({ residency: { mode: "warn" }, addresses: async () => ["5.161.1.1"] });
    await connect();
    broker.accept("5.161.1.1:8883");
    expect(problems()).toEqual(["RESIDENCY_CONTRADICTED"]);
    expect(state.records[0]).toMatchObject({ event: "connected", standing: "contradicted", connectedTo: "5.161.1.1:8883" });
    expect(state.records[0]?.says).toContain("listed in US");
  });

  it("is not looked at when the config says so, nor when it leads to this machine", async () => {
    for (const scene of [{ residency: { mode: "off" } as const }, { url: "mqtt://localhost:1883" }, { url: "mqtts://[::1]:8883" }]) {
      const { broker, connect, state } = bench(scene);
      await connect();
      broker.accept();
      expect(broker.requests).toHaveLength(1);
      expect([state.asked, state.records]).toEqual([[], []]);
    }
    const { broker, connect, guard } = bench({ url: "mqtt://LOCALHOST:1883" });
    await connect();
    // Not whatever a resolver has for that name.
    expect(broker.requests[0]?.addresses).toEqual(["127.0.0.1", "::1"]);
    expect(guard.security.residency?.standing).toBe("loopback");
  });

  it("asks no resolver about an address", async () => {
    const { connect, state, broker } = bench({ url: `mqtts://${GERMAN}:8883` });
    await connect();
    expect([state.asked, broker.requests[0]?.addresses]).toEqual([[], [GERMAN]]);
  });

  it("fails as the resolver fails, and in time when that says nothing", async () => {
    const broken = bench({ addresses: async () => Promise.reject(Object.assign(new Error("no"), { code: "ENOTFOUND" })) });
    expect((await broken.connect()).cause).toEqual({ is: "network", code: "ENOTFOUND" });
    const silent = bench({ addresses: () => new Promise(() => undefined) });
    const link = await silent.connect(5_000);
    await silent.clock.advance(4_999);
    expect(link.cause).toBeNull();
    await silent.clock.advance(1);
    expect(link.cause).toEqual({ is: "timeout" });
  });

  it("leaves the broker what is left of the time", async () => {
    let answer: (addresses: readonly string[]) => void = () => undefined;
    const slow = bench({
      addresses: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    });
    await slow.connect(5_000);
    await slow.clock.advance(2_000);
    answer([GERMAN]);
    await slow.clock.advance(0);
    expect(slow.broker.requests[0]?.timeoutMs).toBe(3_000);
  });

  it("is not taken any more when it was called off while it was looked up", async () => {
    const { broker, guard, clock } = bench();
    const link = new RecordedLink(guard);
    link.link.destroy();
    await clock.advance(0);
    expect(link.cause).toEqual({ is: "asked" });
    expect(broker.requests).toEqual([]);
  });
});

describe("the evidence", () => {
  it("is written at each connection and every hour while there is one", async () => {
    const { broker, connect, clock, guard, state } = bench();
    await connect();
    broker.accept(`${GERMAN}:8883`);
    for (let second = 0; second < 2 * 3_600 + 10; second++) {
      await clock.advance(1_000);
      guard.tick();
    }
    await clock.advance(0);
    expect(state.records.map(({ event }) => event)).toEqual(["connected", "hourly", "hourly"]);
    broker.close();
    await clock.advance(3 * HOUR_MS);
    guard.tick();
    await clock.advance(0);
    expect(state.records).toHaveLength(3);
    await connect();
    broker.accept(`${GERMAN}:8883`);
    expect(state.records.at(-1)?.event).toBe("connected");
    // A name is resolved when a connection is made, not by the hour.
    expect(state.asked).toHaveLength(2);
  });

  it("that speaks against the place an hour later ends the connection in strict mode", async () => {
    const { broker, connect, clock, guard, state, problems } = bench();
    await connect();
    broker.accept(`${GERMAN}:8883`);
    state.countries[GERMAN] = ["US", "US"];
    await clock.advance(HOUR_MS);
    guard.tick();
    await clock.advance(0);
    expect(broker.cuts).toEqual([1]);
    // There was a connection on that day: that there was none would be false, and signed.
    expect(state.records.at(-1)).toMatchObject({ event: "ended", standing: "contradicted", connectedTo: `${GERMAN}:8883` });
    expect(state.records.at(-1)?.says).toContain("the node ended its connection to mqtt.voorbeeld.example: ");
    expect(problems()).toContain("BROKER_NOT_ALLOWED");
  });

  it("of a link that flaps is one record an hour, which says how often it was connected", async () => {
    const { broker, connect, clock, guard, state } = bench();
    const key = { protocol: "TLSv1.3", cipher: "x", group: null, spki: "abc=", issuer: "CN=CA", validTo: "2027-01-01", pinned: null };
    let connections = 0;
    // Up for 20 s, away for 40 s, for three hours.
    for (let second = 0; second < 3 * 3_600; second++) {
      if (second % 60 === 0) {
        await connect();
        broker.accept(`${GERMAN}:8883`, key);
        connections++;
      }
      if (second % 60 === 20) broker.close();
      await clock.advance(1_000);
      guard.tick();
    }
    expect(state.records.length).toBeLessThanOrEqual(4);
    expect(state.records[0]).toMatchObject({ event: "connected" });
    expect(state.records[0]).not.toHaveProperty("repeats");
    const counted = state.records.reduce((sum, { event, repeats = 0 }) => sum + repeats + (event === "connected" ? 1 : 0), 0);
    // What came after the last record is told by the next.
    expect(counted).toBeGreaterThan(connections - 61);
    expect(state.records.at(-1)?.says).toContain("more times.");
  });

  it("of a link that flaps between addresses is one an hour of each; another key or another verdict is news at once", async () => {
    const { broker, connect, clock, state } = bench({ addresses: async () => [GERMAN, "51.68.1.1"] });
    const key = { protocol: "TLSv1.3", cipher: "x", group: null, spki: "abc=", issuer: "CN=CA", validTo: "2027-01-01", pinned: null };
    const once = async (address: string, spki = "abc=") => {
      await connect();
      broker.accept(`${address}:8883`, { ...key, spki });
      await clock.advance(1_000);
      broker.close();
    };
    for (let turn = 0; turn < 10; turn++) for (const address of [GERMAN, "51.68.1.1"]) await once(address);
    expect(state.records.map(({ connectedTo }) => connectedTo)).toEqual([`${GERMAN}:8883`, "51.68.1.1:8883"]);
    await once(GERMAN, "another=");
    expect(state.records.at(-1)).toMatchObject({ event: "connected", tls: { spki: "another=" } });
    state.made = epochMs((state.made ?? 0) - 100 * DAY_MS);
    await once(GERMAN);
    expect(state.records.at(-1)).toMatchObject({ event: "connected", reasons: ["database-old"] });
    expect(state.records).toHaveLength(4);
  });

  it("that could not be written is tried at the next connection, and nothing of it is lost from the count", async () => {
    const { broker, connect, clock, state } = bench();
    state.evidenceFails = true;
    for (let attempt = 0; attempt < 3; attempt++) {
      await connect();
      broker.accept(`${GERMAN}:8883`);
      await clock.advance(1_000);
      broker.close();
    }
    state.evidenceFails = false;
    await connect();
    broker.accept(`${GERMAN}:8883`);
    await clock.advance(0);
    expect(state.records).toMatchObject([{ event: "connected", repeats: 3 }]);
  });

  it("of a refusal is no news for the order in which a name server has the addresses", async () => {
    let turn = 0;
    const both = [GERMAN, "5.161.1.1"];
    const { connect, clock, state } = bench({ addresses: async () => (turn++ % 2 === 0 ? both : [...both].reverse()) });
    for (let attempt = 0; attempt < 10; attempt++) {
      await connect();
      await clock.advance(60_000);
    }
    expect(state.records).toHaveLength(1);
  });

  it("is written of a refusal once, and again an hour later", async () => {
    const { connect, clock, state } = bench({ addresses: async () => ["5.161.1.1"] });
    for (let attempt = 0; attempt < 50; attempt++) {
      await connect();
      await clock.advance(60_000);
    }
    expect(state.records).toHaveLength(1);
    await clock.advance(HOUR_MS);
    await connect();
    expect(state.records).toHaveLength(2);
  });

  it("that cannot be written stops nothing, and is told until it can", async () => {
    const { broker, connect, state, problems, events, clock } = bench();
    state.evidenceFails = true;
    const link = await connect();
    broker.accept(`${GERMAN}:8883`);
    await clock.advance(0);
    expect(link.cause).toBeNull();
    expect(problems()).toEqual(["EVIDENCE_FAILED"]);
    expect(events.of("EvidenceFailed")).toEqual([{ type: "EvidenceFailed", detail: "ENOSPC" }]);
    state.evidenceFails = false;
    broker.close();
    await connect();
    broker.accept(`${GERMAN}:8883`);
    await clock.advance(0);
    expect(problems()).toEqual([]);
  });
});

describe("old databases", () => {
  it("are told, and silence no node", async () => {
    const { broker, connect, state, problems, time, guard } = bench();
    state.made = epochMs(time.best() - 91 * DAY_MS);
    await connect();
    expect(broker.requests).toHaveLength(1);
    expect(problems()).toEqual(["RESIDENCY_DATABASE_OLD"]);
    expect(guard.databasesEnd).toBe(state.made + 90 * DAY_MS);
    state.made = epochMs(time.best() - 89 * DAY_MS);
    await connect();
    expect(problems()).toEqual([]);
  });

  it("are not missing ones: those prove nothing", async () => {
    const { broker, connect, state, problems } = bench();
    state.made = null;
    await connect();
    expect(broker.requests).toEqual([]);
    expect(problems()).toEqual(["BROKER_NOT_ALLOWED", "RESIDENCY_UNPROVEN"]);
  });
});

describe("what the provider declares", () => {
  it("is a problem when it has ended", async () => {
    const provider = { name: "Voorbeeld BV", processing: ["EU"], document: "annex 2", sha256: null, validUntil: "2020-01-01" };
    const { connect, problems } = bench({ residency: { provider } });
    await connect();
    expect(problems()).toEqual(["PROVIDER_DECLARATION_ENDED"]);
  });
});
