import { describe, expect, it, vi } from "vitest";
import { sealMessage } from "../../../src/core/anonymise/message.ts";
import { reasonOf } from "../../../src/core/machine/reason-codes.ts";
import { epochMs } from "../../../src/core/units/time.ts";
import { Publisher } from "../../../src/runtime/publisher.ts";
import { TimeDesk } from "../../../src/runtime/time-desk.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { FakeOutbox } from "../../support/fake-outbox.ts";
import { RecordingEvents } from "../../support/recording-events.ts";
import { ScriptedBroker } from "../../support/scripted-broker.ts";
import { fixedCrypto } from "../../support/virtual-node.ts";

const message = (text: string, topic = "p/n/s/summary") =>
  sealMessage({ topic, payload: new TextEncoder().encode(text), retain: false, expirySeconds: null });

const LINK = "look at the uplink, and whether the broker is up";

/** A publisher over a broker that a test works by hand. */
class PublisherBench {
  readonly clock = new VirtualClock();
  readonly broker = new ScriptedBroker(this.clock);
  readonly outbox = new FakeOutbox();
  readonly events = new RecordingEvents();
  readonly publisher: Publisher;
  readonly acked = new Set<object>();
  #rows = 0;

  constructor({ inFlightMax = 3, departMs = 0, perSecond = null as number | null } = {}) {
    const { clock, broker, outbox, events } = this;
    const time = new TimeDesk(clock, events, "operator", () => undefined);
    const world = {
      clock,
      crypto: fixedCrypto,
      broker,
      outbox,
      events,
      time,
      will: (conn: number) => message(`lost ${conn}`, "p/n/status"),
      greeting: (conn: number) => message(`online ${conn} ${this.publisher.report.isUp}`, "p/n/status"),
    };
    this.publisher = new Publisher(world, { inFlightMax, ackTimeoutMs: 30_000, perSecond, spreadMs: 0, departMs });
  }

  async add(count: number): Promise<void> {
    const rows = Array.from({ length: count }, (_, index) => ({
      message: message(`row ${this.#rows + index + 1}`),
      seq: this.#rows + index + 1,
    }));
    this.#rows += count;
    await this.outbox.commit({ rows, marks: new Map(), facts: new Map(), madeAt: epochMs(0) });
    this.publisher.wake();
    await this.settle();
  }

  /** A summary is made, and a second passes. */
  async made(seq: number, topic: string): Promise<void> {
    const rows = [{ message: message(`row ${seq}`, topic), seq }];
    await this.outbox.commit({ rows, marks: new Map(), facts: new Map(), madeAt: epochMs(0) });
    this.publisher.wake();
    await this.second();
  }

  /** A second of the node, tick included. */
  async second(): Promise<boolean> {
    await this.clock.advance(1_000);
    const isWell = await this.publisher.tick();
    await this.settle();
    return isWell;
  }

  async settle(): Promise<void> {
    await this.clock.advance(0);
  }

  /** Connected, and its greeting acknowledged. */
  async connect(): Promise<void> {
    this.publisher.start();
    this.broker.accept();
    await this.settle();
    this.broker.acknowledge(-1);
    await this.settle();
  }

  async acknowledge(...tokens: readonly number[]): Promise<void> {
    for (const token of tokens) this.broker.acknowledge(token);
    await this.settle();
  }

  texts(conn = this.broker.requests.length): readonly string[] {
    return this.broker.published.filter((one) => one.conn === conn).map(({ text }) => text);
  }
}

/** Positions of the rows that each acknowledgement says were sent. */
const sentIn = (bench: PublisherBench) => bench.outbox.acknowledgements.map(({ sent }) => sent.map(({ position }) => position));

async function connected(options: { inFlightMax?: number; departMs?: number; perSecond?: number } = {}): Promise<PublisherBench> {
  const bench = new PublisherBench(options);
  await bench.connect();
  return bench;
}

describe("a connection", () => {
  it("is opened with a will of its own number, and greeted before any row", async () => {
    const bench = new PublisherBench({ inFlightMax: 1 });
    await bench.add(2);
    bench.publisher.start();
    expect(new TextDecoder().decode(bench.broker.requests[0]?.will.payload)).toBe("lost 1");
    expect(bench.publisher.report).toEqual({
      isUp: false,
      conn: 1,
      address: null,
      trouble: null,
      remedy: null,
      problem: null,
      isHeard: null,
      takesNothing: false,
    });
    bench.broker.accept();
    await bench.settle();
    expect(bench.texts()).toEqual(["online 1 true"]);
    await bench.acknowledge(-1);
    expect(bench.texts()).toEqual(["online 1 true", "row 1"]);
    expect(bench.events.of("BrokerConnected")).toEqual([{ type: "BrokerConnected", address: "192.0.2.1:8883" }]);
  });

  it("that is lost is tried again with backoff, and greeted first, before rows that were in flight", async () => {
    const bench = await connected({ inFlightMax: 2 });
    await bench.add(4);
    await bench.acknowledge(1);
    bench.broker.close();
    await bench.clock.advance(499);
    expect(bench.broker.requests).toHaveLength(1);
    await bench.clock.advance(1);
    expect(bench.broker.requests).toHaveLength(2);
    bench.broker.accept();
    await bench.settle();
    expect(bench.texts(2)).toEqual(["online 2 true", "row 2"]);
    await bench.acknowledge(-2);
    expect(bench.texts(2)).toEqual(["online 2 true", "row 2", "row 3"]);
    expect(bench.events.of("BrokerDisconnected")).toEqual([
      { type: "BrokerDisconnected", cause: "network", detail: "ECONNRESET", remedy: LINK },
    ]);
  });

  it("of which something is heard after it ended changes nothing", async () => {
    const bench = await connected();
    await bench.add(1);
    const old = bench.broker.listener;
    bench.broker.close();
    await bench.clock.advance(1_000);
    old({ type: "acknowledged", token: 1, reasonCode: 0 });
    old({ type: "closed", cause: { is: "timeout" } });
    await bench.second();
    expect(bench.outbox.settledTo).toBe(0);
    expect(bench.broker.requests).toHaveLength(2);
  });

  it("that another client took over is left alone for four minutes, and said: it stays said when the node is back", async () => {
    const bench = await connected();
    bench.broker.close({ is: "disconnected", reasonCode: 0x8e });
    await bench.clock.advance(239_999);
    expect(bench.broker.requests).toHaveLength(1);
    expect(bench.publisher.report).toMatchObject({ isUp: false, trouble: "disconnected: session-taken-over" });
    await bench.clock.advance(1);
    expect(bench.broker.requests).toHaveLength(2);
    bench.broker.accept();
    expect(bench.publisher.report).toMatchObject({ isUp: true, trouble: null, problem: "CLIENT_ID_TAKEN" });
    await bench.clock.advance(600_000);
    expect(bench.publisher.report.problem).toBeNull();
  });

  it.each([
    [{ is: "refused", reasonCode: 0x86 } as const, "refused: bad-user-name-or-password"],
    [{ is: "network", code: "CERT_HAS_EXPIRED" } as const, "network: CERT_HAS_EXPIRED"],
    [{ is: "protocol", detail: "not MQTT" } as const, "protocol: not MQTT"],
    [{ is: "timeout" } as const, "timeout"],
  ])("that ends says why: %j", async (cause, trouble) => {
    const bench = new PublisherBench();
    bench.publisher.start();
    bench.broker.close(cause);
    expect(bench.publisher.report.trouble).toBe(trouble);
  });

  it.each([
    [0x86, "BROKER_REFUSES"],
    [0x87, "BROKER_REFUSES"],
    [0x9c, "BROKER_REFUSES"],
    [0x89, null],
  ])("that is refused with %i is the problem %s, with what to do, and is over when it is not refused", async (reasonCode, problem) => {
    const bench = new PublisherBench();
    bench.publisher.start();
    bench.broker.close({ is: "refused", reasonCode });
    expect(bench.publisher.report).toMatchObject({ problem, remedy: reasonOf(reasonCode)?.remedy });
    await bench.clock.advance(300_000);
    bench.broker.accept();
    expect(bench.publisher.report).toMatchObject({ problem: null, remedy: null });
  });

  it("that owes a PUBACK for 30 s is cut", async () => {
    const bench = await connected();
    await bench.add(1);
    for (let second = 0; second < 29; second++) await bench.second();
    expect(bench.broker.cuts).toEqual([]);
    await bench.second();
    expect(bench.broker.cuts).toEqual([1]);
    await bench.clock.advance(1_000);
    expect(bench.broker.requests).toHaveLength(2);
  });
});

describe("rows", () => {
  it("are sent one for one, in order, and no more than may be in flight", async () => {
    const bench = await connected();
    await bench.add(10);
    expect(bench.broker.tokens()).toEqual([1, 2, 3]);
    await bench.acknowledge(2);
    expect(bench.broker.tokens()).toEqual([1, 2, 3, 4]);
    await bench.acknowledge(1, 3, 4);
    expect(bench.broker.tokens()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it("obey a Receive Maximum below our own", async () => {
    const bench = new PublisherBench({ inFlightMax: 20 });
    bench.broker.receiveMaximum = 2;
    await bench.connect();
    await bench.add(10);
    expect(bench.broker.tokens()).toEqual([1, 2]);
  });

  it("are acknowledged as they arrive, in batches, with when and where they went, also when an earlier one waits", async () => {
    const bench = await connected();
    await bench.add(5);
    await bench.acknowledge(1, 3);
    const at = bench.clock.wallMs();
    await bench.second();
    const row = (position: number) => ({ position, seq: position, bytes: 18, at, address: "192.0.2.1:8883" });
    expect(bench.outbox.acknowledgements).toEqual([{ sent: [row(1), row(3)], refused: [] }]);
    await bench.acknowledge(2, 4, 5);
    await bench.second();
    expect(sentIn(bench)).toEqual([
      [1, 3],
      [2, 4, 5],
    ]);
    expect(bench.outbox.settledTo).toBe(5);
  });

  it("are acknowledged at the latest after a hundred", async () => {
    const bench = await connected({ inFlightMax: 50 });
    bench.broker.friendly = true;
    await bench.add(250);
    await bench.clock.advance(900);
    expect(bench.outbox.settledTo).toBeGreaterThanOrEqual(200);
    await bench.second();
    expect(bench.outbox.settledTo).toBe(250);
    expect(bench.broker.tokens()).toEqual(Array.from({ length: 250 }, (_, index) => index + 1));
  });

  it("are acknowledged with a commit that comes before, once, and not when that fails", async () => {
    const bench = await connected();
    await bench.add(3);
    await bench.acknowledge(1, 2);
    const batch = (seq: number) => ({
      rows: [{ message: message(`row ${seq}`), seq }],
      marks: new Map(),
      facts: new Map(),
      madeAt: epochMs(0),
    });
    bench.outbox.commitTroubles.push("full");
    await expect(bench.publisher.commit(batch(4))).rejects.toThrow();
    expect(bench.outbox.acknowledgements).toEqual([]);
    await bench.publisher.commit(batch(4));
    expect(sentIn(bench)).toEqual([[1, 2]]);
    await bench.publisher.commit(batch(5));
    await bench.acknowledge(3);
    await bench.second();
    expect(sentIn(bench)).toEqual([[1, 2], [3]]);
  });

  it("that went to one address are written down with it, also when the next connection has another", async () => {
    const bench = await connected();
    await bench.add(2);
    await bench.acknowledge(1, 2);
    bench.broker.close();
    await bench.clock.advance(800);
    bench.broker.accept("198.51.100.9:8883");
    await bench.second();
    const addresses = bench.outbox.acknowledgements.flatMap(({ sent }) => sent.map(({ address }) => address));
    expect(addresses).toEqual(["192.0.2.1:8883", "192.0.2.1:8883"]);
  });

  it("that the broker will never take are kept as refused, and do not hold up the others", async () => {
    const bench = await connected();
    await bench.add(3);
    await bench.acknowledge(1);
    bench.broker.acknowledge(2, 0x99);
    await bench.acknowledge(3);
    await bench.second();
    expect(bench.outbox.acknowledgements).toMatchObject([
      { sent: [{ position: 1 }, { position: 3 }], refused: [{ position: 2, seq: 2, reason: "payload-format-invalid" }] },
    ]);
    expect(bench.events.of("PublishRefused")).toEqual([
      { type: "PublishRefused", seq: 2, reason: "payload-format-invalid", remedy: "let the broker take UTF-8 JSON" },
    ]);
  });

  it("that the broker does not take now are sent again after a pause", async () => {
    const bench = await connected();
    await bench.add(1);
    bench.broker.acknowledge(1, 0x97);
    await bench.settle();
    expect(bench.publisher.report.trouble).toBe("quota-exceeded");
    expect(bench.broker.tokens()).toEqual([1]);
    await bench.second();
    expect(bench.broker.tokens()).toEqual([1, 1]);
    expect(bench.events.of("PublishDelayed")).toHaveLength(1);
  });

  it("that the outbox cannot give any more do not hold up the others", async () => {
    const bench = await connected();
    await bench.outbox.commit({
      rows: [1, 2, 3, 4].map((seq) => ({ message: message(`row ${seq}`), seq })),
      marks: new Map(),
      facts: new Map(),
      madeAt: epochMs(0),
    });
    bench.outbox.rows = bench.outbox.rows.filter(({ position }) => position !== 1 && position !== 3);
    bench.publisher.wake();
    await bench.settle();
    expect(bench.broker.tokens()).toEqual([2, 4]);
    await bench.acknowledge(2, 4);
    await bench.second();
    expect(sentIn(bench)).toEqual([[2, 4]]);
    expect(bench.outbox.standing()).toMatchObject({ acknowledgedPosition: 4, pendingRows: 0 });
  });

  it("of a sensor that may not publish are read again when it may: what waits is kept on the card, and not in memory", async () => {
    const bench = await connected({ inFlightMax: 5 });
    bench.broker.friendly = true;
    let isDenied = true;
    bench.broker.answer = (topic) => (isDenied && topic.includes("/denied/") ? 0x87 : 0);
    const of = (topic: string) => bench.broker.published.filter((one) => one.topic === topic).map(({ text }) => text);
    const [DENIED, HEALTHY] = ["p/n/denied/v/summary", "p/n/healthy/v/summary"];
    const made: string[] = [];
    for (let minute = 0; minute < 3_000; minute++) {
      const texts = [`denied ${minute}`, `healthy ${minute}`];
      made.push(texts[1] ?? "");
      const rows = texts.map((text, index) => ({ message: message(text, index === 0 ? DENIED : HEALTHY), seq: 2 * minute + index + 1 }));
      await bench.outbox.commit({ rows, marks: new Map(), facts: new Map(), madeAt: epochMs(0) });
      bench.publisher.wake();
      await bench.second();
    }
    expect(of(HEALTHY), "the others go on").toEqual(made);
    expect(bench.publisher.report).toMatchObject({ problem: "NOT_AUTHORISED", takesNothing: false });
    isDenied = false;
    const before = of(DENIED).length;
    for (let second = 0; second < 200; second++) await bench.second();
    expect(of(DENIED).slice(before)).toEqual(made.map((text) => text.replace("healthy", "denied")));
    expect(bench.outbox.standing().pendingRows).toBe(0);
  }, 60_000);

  it("that wait because the broker takes none leave as they were made when it does, and are not kept in memory meanwhile", async () => {
    const bench = await connected({ inFlightMax: 5 });
    bench.broker.friendly = true;
    bench.broker.answer = () => 0x99;
    await bench.add(300);
    for (let second = 0; second < 200; second++) await bench.second();
    expect(bench.outbox.standing()).toMatchObject({ pendingRows: 300 });
    const read = vi.spyOn(bench.outbox, "read");
    bench.broker.answer = () => 0;
    for (let second = 0; second < 70; second++) await bench.second();
    expect(bench.outbox.standing()).toMatchObject({ pendingRows: 0 });
    expect(read.mock.calls.filter(([, rowsMax]) => rowsMax === 1).length, "read again").toBeGreaterThan(200);
    const arrived = bench.broker.published.filter(({ token }) => token > 0).map(({ token, text }) => [token, text]);
    expect(arrived.every(([token, text]) => text === `row ${token}`)).toBe(true);
  });

  it("of two sensors that may not publish go on one by one, the outbox giving up what was at hand of one", async () => {
    const bench = await connected({ inFlightMax: 2 });
    bench.broker.friendly = true;
    const denied = new Set(["a", "b"]);
    bench.broker.answer = (topic) => (denied.has(topic.split("/")[2] ?? "") ? 0x87 : 0);
    const rows = Array.from({ length: 60 }, (_, index) => ({
      message: message(`row ${index + 1}`, `p/n/${"abc"[index % 3]}/v/summary`),
      seq: index + 1,
    }));
    await bench.outbox.commit({ rows, marks: new Map(), facts: new Map(), madeAt: epochMs(0) });
    bench.publisher.wake();
    for (let second = 0; second < 5; second++) await bench.second();
    expect(bench.outbox.standing().pendingRows).toBe(40);
    bench.outbox.rows = bench.outbox.rows.filter(({ position }) => position > 10);
    bench.outbox.settledTo = 10;
    denied.delete("a");
    for (let second = 0; second < 130; second++) await bench.second();
    expect(bench.outbox.standing().pendingRows).toBe(17);
    denied.delete("b");
    for (let second = 0; second < 130; second++) await bench.second();
    expect(bench.outbox.standing().pendingRows).toBe(0);
    const arrived = (lane: string) =>
      bench.broker.published.filter(({ topic, text }) => topic.includes(`/${lane}/`) && Number(text.slice(4)) > 10);
    for (const lane of ["a", "b"]) {
      const numbers = arrived(lane).map(({ text }) => Number(text.slice(4)));
      const inOrder = [...new Set(numbers)];
      expect(inOrder).toEqual(inOrder.toSorted((one, other) => one - other));
      expect(inOrder).toHaveLength(lane === "a" ? 16 : 17);
    }
  });

  it("that overtook one that waits are written down with where they went, and are not sent again by the next run", async () => {
    const bench = await connected({ inFlightMax: 5 });
    bench.broker.friendly = true;
    bench.broker.answer = (topic) => (topic.includes("/denied/") ? 0x87 : 0);
    await bench.made(1, "p/n/denied/v/summary");
    for (let seq = 2; seq <= 5; seq++) await bench.made(seq, "p/n/healthy/v/summary");
    bench.broker.close();
    await bench.clock.advance(2_000);
    bench.broker.accept("198.51.100.9:8883");
    for (let seq = 6; seq <= 8; seq++) await bench.made(seq, "p/n/healthy/v/summary");
    const went = bench.outbox.acknowledgements.flatMap(({ sent }) => sent.map(({ position, address }) => [position, address]));
    const [old, other] = ["192.0.2.1:8883", "198.51.100.9:8883"];
    expect(went).toEqual([2, 3, 4, 5, 6, 7, 8].map((position) => [position, position < 6 ? old : other]));
    expect(bench.outbox.standing()).toMatchObject({ acknowledgedPosition: 0, pendingRows: 1, firstUnackedSeq: 1 });
    const again = new PublisherBench({ inFlightMax: 5 });
    again.outbox.rows = bench.outbox.rows;
    for (const position of bench.outbox.ahead) again.outbox.ahead.add(position);
    await again.connect();
    expect(again.broker.tokens()).toEqual([1]);
    expect(await again.publisher.replay(7)).toBe(7);
    await again.settle();
    expect(again.broker.tokens(), "what overtook is reached by a replay, and what is under way is not sent twice").toEqual([1, 7, 8]);
  });

  it("that the outbox gave up keep nobody waiting", async () => {
    const bench = await connected({ inFlightMax: 5 });
    bench.broker.friendly = true;
    bench.broker.answer = (topic) => (topic.includes("/denied/") ? 0x87 : 0);
    for (let seq = 1; seq <= 20; seq++) await bench.made(seq, "p/n/denied/v/summary");
    await bench.made(21, "p/n/healthy/v/summary");
    expect(bench.outbox.standing().acknowledgedPosition).toBe(0);
    bench.outbox.settledTo = 21;
    bench.outbox.rows = bench.outbox.rows.filter(({ position }) => position > 20);
    await bench.second();
    await bench.second();
    expect(bench.outbox.standing()).toMatchObject({ acknowledgedPosition: 21, pendingRows: 0 });
    for (let second = 0; second < 100; second++) await bench.second();
    expect(
      bench.broker.published.filter(({ text }) => text === "row 1"),
      "not asked for any more",
    ).toHaveLength(1);
  });

  it("that a broker takes none of, though it is connected, are said to wait for it", async () => {
    const bench = await connected();
    bench.broker.friendly = true;
    bench.broker.answer = () => 0x97;
    await bench.add(3);
    const stuck: boolean[] = [];
    for (let second = 0; second < 605; second++) {
      await bench.second();
      stuck.push(bench.publisher.report.takesNothing);
    }
    expect(stuck.indexOf(true)).toBeGreaterThanOrEqual(595);
    bench.broker.answer = () => 0;
    for (let second = 0; second < 65; second++) await bench.second();
    expect(bench.publisher.report.takesNothing).toBe(false);
    for (let second = 0; second < 700; second++) await bench.second();
    expect(bench.publisher.report.takesNothing, "nothing waits").toBe(false);
  });

  it("of one sensor that may not publish are no sign of a broker that takes nothing, however seldom others have some", async () => {
    const bench = await connected();
    bench.broker.friendly = true;
    let isDenied = (topic: string) => topic.includes("/denied/");
    bench.broker.answer = (topic) => (isDenied(topic) ? 0x87 : 0);
    for (let window = 0; window < 3; window++) {
      await bench.made(2 * window + 1, "p/n/healthy/v/summary");
      await bench.made(2 * window + 2, "p/n/denied/v/summary");
      for (let second = 0; second < 1_800; second++) {
        await bench.second();
        if (window === 0) continue; // that others are taken while it is not, shows from the second on
        expect(bench.publisher.report).toMatchObject({ takesNothing: false, problem: "NOT_AUTHORISED" });
      }
    }
    isDenied = () => true;
    await bench.made(7, "p/n/healthy/v/summary");
    for (let second = 0; second < 605; second++) await bench.second();
    expect(bench.publisher.report.takesNothing, "now it takes none of any").toBe(true);
  });

  it("continue where an earlier run stopped", async () => {
    const first = await connected();
    await first.add(3);
    await first.acknowledge(1);
    await first.second();
    const second = new PublisherBench();
    second.outbox.rows = first.outbox.rows;
    second.outbox.settledTo = first.outbox.settledTo;
    const { clock, broker, outbox, events } = second;
    const time = new TimeDesk(clock, events, "operator", () => undefined);
    const will = () => message("lost", "p/n/status");
    const again = new Publisher(
      { clock, crypto: fixedCrypto, broker, outbox, events, time, will, greeting: will },
      { inFlightMax: 5, ackTimeoutMs: 30_000, perSecond: null, spreadMs: 0, departMs: 0 },
    );
    again.start();
    broker.accept();
    await second.settle();
    expect(broker.tokens()).toEqual([2, 3]);
    expect(broker.published.filter(({ token }) => token > 0).map(({ text }) => text)).toEqual(["row 2", "row 3"]);
  });
});

describe("a node's own time to publish", () => {
  const commit = async (bench: PublisherBench, ...seqs: readonly number[]) => {
    const rows = seqs.map((seq) => ({ message: message(`row ${seq}`), seq }));
    await bench.publisher.commit({ rows, marks: new Map(), facts: new Map(), madeAt: epochMs(0) });
    bench.publisher.wake();
    await bench.settle();
  };

  it("is the same after each window, and what was made before it leaves with it", async () => {
    const bench = await connected({ departMs: 12_000 });
    bench.broker.friendly = true;
    await commit(bench, 1, 2);
    await bench.clock.advance(11_999);
    expect(bench.broker.tokens()).toEqual([]);
    await commit(bench, 3);
    await bench.clock.advance(1);
    expect(bench.broker.tokens()).toEqual([1, 2]);
    await bench.clock.advance(11_998);
    expect(bench.broker.tokens()).toEqual([1, 2]);
    await bench.clock.advance(10);
    expect(bench.broker.tokens()).toEqual([1, 2, 3]);
  });

  it("does not hold back what an earlier run made, nor anything when the node stops", async () => {
    const bench = await connected({ departMs: 12_000 });
    bench.broker.friendly = true;
    await bench.add(2);
    await bench.clock.advance(10);
    expect(bench.broker.tokens()).toEqual([1, 2]);
    await commit(bench, 3);
    void bench.publisher.stop(() => message("offline", "p/n/status"), 5_000);
    await bench.clock.advance(1_000);
    expect(bench.broker.tokens()).toEqual([1, 2, 3]);
    expect(bench.outbox.settledTo).toBe(3);
  });

  it("keeps its order when more windows wait than it counts one by one", async () => {
    const bench = await connected({ departMs: 12_000 });
    bench.broker.friendly = true;
    for (let seq = 1; seq <= 40; seq++) await commit(bench, seq);
    await bench.clock.advance(13_000);
    expect(bench.broker.tokens()).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  });
});

describe("an outbox that fails", () => {
  it("to read is said, asked for to be opened again, and read again", async () => {
    const bench = await connected();
    bench.outbox.failsToRead = true;
    await bench.add(1);
    expect(await bench.second()).toBe(false);
    expect(bench.events.of("OutboxFailed")[0]).toMatchObject({ code: "read" });
    bench.outbox.failsToRead = false;
    await bench.outbox.reopen();
    await bench.second();
    expect(await bench.second()).toBe(true);
    expect(bench.broker.tokens()).toEqual([1]);
  });

  it("to write an acknowledgement keeps it for the next time", async () => {
    const bench = await connected();
    await bench.add(2);
    bench.outbox.failsToAcknowledge = true;
    await bench.acknowledge(1, 2);
    expect(await bench.second()).toBe(false);
    bench.outbox.failsToAcknowledge = false;
    await bench.outbox.reopen();
    expect(await bench.second()).toBe(true);
    expect(sentIn(bench)).toEqual([[1, 2]]);
    expect(bench.broker.tokens()).toEqual([1, 2]);
  });
});

it("sends no more in a second than it may, and goes on by itself", async () => {
  const bench = await connected({ inFlightMax: 20, perSecond: 5 });
  bench.broker.friendly = true;
  await bench.add(12);
  expect(bench.broker.tokens()).toHaveLength(5);
  await bench.clock.advance(995);
  expect(bench.broker.tokens()).toHaveLength(9);
  await bench.clock.advance(1_000);
  expect(bench.broker.tokens()).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
});

describe("a status", () => {
  it("goes before rows that wait, and is not written to the outbox", async () => {
    const bench = await connected({ inFlightMax: 1 });
    await bench.add(3);
    bench.publisher.say(message("older", "p/n/status"));
    bench.publisher.say(message("newer", "p/n/status"));
    await bench.acknowledge(1);
    await bench.acknowledge(-3);
    expect(bench.texts()).toEqual(["online 1 true", "row 1", "newer", "row 2"]);
    await bench.second();
    expect(bench.outbox.settledTo).toBe(1);
  });

  it("is not kept for a connection that is not there", async () => {
    const bench = new PublisherBench();
    bench.publisher.say(message("too early", "p/n/status"));
    await bench.connect();
    expect(bench.texts()).toEqual(["online 1 true"]);
  });
});

describe("stopping", () => {
  const stop = async (bench: PublisherBench, forMs = 5_000) => {
    const startedMs = bench.clock.monotonicMs();
    let stoppedMs: number | null = null;
    void bench.publisher
      .stop(() => message("offline", "p/n/status"), forMs)
      .then(() => {
        stoppedMs = bench.clock.monotonicMs();
      });
    for (let step = 0; step < 1_000 && stoppedMs === null; step++) await bench.clock.advance(10);
    return (stoppedMs ?? Number.POSITIVE_INFINITY) - startedMs;
  };

  it("publishes what there is, says goodbye last, writes down what arrived and disconnects", async () => {
    const bench = await connected({ inFlightMax: 2 });
    await bench.add(5);
    bench.broker.friendly = true;
    await bench.acknowledge(1, 2);
    expect(await stop(bench)).toBeLessThan(1_000);
    expect(bench.texts()).toEqual(["online 1 true", "row 1", "row 2", "row 3", "row 4", "row 5", "offline"]);
    expect(bench.outbox.settledTo).toBe(5);
    expect(bench.broker.ends).toEqual([1]);
    await bench.clock.advance(600_000);
    expect(bench.broker.requests).toHaveLength(1);
  });

  it("does not wait for a broker that does not answer longer than it was told", async () => {
    const bench = await connected({ inFlightMax: 2 });
    await bench.add(5);
    expect(await stop(bench)).toBeLessThan(8_000);
    expect(bench.broker.ends).toEqual([1]);
    expect(bench.outbox.settledTo).toBe(0);
  });

  it("does not wait at all without a connection, and does not connect afterwards", async () => {
    const bench = await connected();
    bench.broker.close();
    expect(await stop(bench)).toBeLessThan(100);
    await bench.clock.advance(600_000);
    expect(bench.broker.requests).toHaveLength(1);
  });
});

describe("a replay", () => {
  const acknowledgeAll = async (bench: PublisherBench, conn = 1) => {
    for (let round = 0; round < 10; round++) {
      const open = bench.broker.published.filter((one) => one.conn === conn && !bench.acked.has(one));
      for (const one of open) bench.acked.add(one);
      await bench.acknowledge(...open.map(({ token }) => token));
    }
  };

  it("sends again what was acknowledged, from a number on, while new rows go on, and writes it down once more", async () => {
    const bench = await connected({ inFlightMax: 4 });
    await bench.add(5);
    await acknowledgeAll(bench);
    await bench.second();
    expect(bench.outbox.settledTo).toBe(5);
    expect(await bench.publisher.replay(3)).toBe(3);
    expect(bench.outbox.settledTo).toBe(2);
    await bench.add(1);
    await acknowledgeAll(bench);
    await bench.second();
    const rows = bench.texts().filter((text) => text.startsWith("row"));
    expect(rows).toEqual(["row 1", "row 2", "row 3", "row 4", "row 5", "row 3", "row 4", "row 5", "row 6"]);
    expect(bench.outbox.settledTo).toBe(6);
    expect(sentIn(bench).at(-1)).toEqual([3, 4, 5, 6]);
  });

  it("begins while the broker is away, with rows at hand, and sends each once when it is back", async () => {
    const bench = await connected({ inFlightMax: 2 });
    await bench.add(3);
    await acknowledgeAll(bench);
    await bench.second();
    await bench.add(3);
    bench.broker.close();
    await bench.settle();
    expect(await bench.publisher.replay(1)).toBe(1);
    await expect(bench.publisher.replay(1)).rejects.toThrow("under way");
    await bench.clock.advance(2_000);
    bench.broker.accept();
    await bench.settle();
    await acknowledgeAll(bench, 2);
    await bench.second();
    const rows = bench.texts(2).filter((text) => text.startsWith("row"));
    expect([...rows].sort()).toEqual(["row 1", "row 2", "row 3", "row 4", "row 5", "row 6"]);
    expect(bench.outbox.settledTo).toBe(6);
    expect(await bench.publisher.replay(6)).toBe(6);
  });

  it("of what waits anyway is none, and of an outbox that fails is an error", async () => {
    const bench = new PublisherBench();
    await bench.add(2);
    expect(await bench.publisher.replay(1)).toBeNull();
    bench.outbox.failsToRead = true;
    await bench.connect();
    await expect(bench.publisher.replay(1)).rejects.toMatchObject({ code: "OUTBOX_IO" });
  });
});

describe("rows that were trimmed while the broker was away", () => {
  it("cost no memory, however many they are, and are acknowledged with the rest", async () => {
    const bench = new PublisherBench({ inFlightMax: 2 });
    const MILLION = 1_000_000;
    bench.outbox.rows = [
      { position: 1, seq: 1, message: message("row 1") },
      { position: MILLION, seq: MILLION, message: message("row 1000000") },
    ];
    const before = process.memoryUsage().heapUsed;
    await bench.connect();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
    await bench.acknowledge(1, MILLION);
    await bench.second();
    expect(bench.outbox.settledTo).toBe(MILLION);
    expect(sentIn(bench)).toEqual([[1, MILLION]]);
  });
});
