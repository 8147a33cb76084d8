import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createMqttBroker } from "../../src/adapters/mqtt/mqtt-broker.ts";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { Message, type MessageParts, restoreMessage } from "../../src/core/anonymise/message.ts";
import { epochMs } from "../../src/core/units/time.ts";
import type { Outbox } from "../../src/ports/outbox.ts";
import { openLab } from "../support/lab.ts";
import { lostStatus, message } from "../support/messages.ts";
import { startMosquitto } from "../support/mosquitto.ts";

// P1 rests on two types that are made in one place each. Whoever tries to publish anything else is stopped by the compiler; whoever
// talks the compiler out of it is stopped when it runs. Casts in the sources are found by test/tidy.test.ts.

const ROOT = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "stoep-p1-"));
afterAll(() => rmSync(folder, { recursive: true }));

const HEAD = `
import { Message, sealMessage } from "./src/core/anonymise/message.ts";
import { anonymise, type ClosedWindow, Summary } from "./src/core/anonymise/summary.ts";
import type { ExactStatistic } from "./src/core/window/statistics.ts";
import type { WindowReadings } from "./src/core/window/readings.ts";
import type { Envelope, NativeFormat } from "./src/formats/native.ts";
import type { BrokerLink } from "./src/ports/broker.ts";
import type { Events } from "./src/ports/events.ts";
import type { StoredChunk } from "./src/ports/live-store.ts";
import type { CloseBatch, Outbox } from "./src/ports/outbox.ts";
declare const link: BrokerLink, outbox: Outbox, events: Events, format: NativeFormat, envelope: Envelope, batch: CloseBatch;
declare const readings: WindowReadings, chunk: StoredChunk, exact: ExactStatistic, closed: ClosedWindow, summary: Summary;
export const used = [Message, sealMessage, anonymise, Summary, link, outbox, events, format, envelope, batch];
export const usedToo = [readings, chunk, exact, closed];
const parts = { topic: "p/n1/gate/passages/summary", payload: new Uint8Array(), retain: false, expirySeconds: null };
`;

/** The way that is meant: it must compile, or nothing below means anything. */
const MEANT = `
link.publish(format.summary(summary, envelope), 1);
void outbox.commit({ ...batch, rows: [{ seq: 1, message: format.summary(summary, envelope) }] });
events.emit({ type: "SensorAlive", sensor: summary.stream.sensor });
void parts;`;

/** One statement each, which must not compile. */
const REFUSED: readonly (readonly [string, string])[] = [
  ["the readings of a window are published", "link.publish(readings, 1);"],
  ["a chunk of readings is published", "link.publish(chunk, 1);"],
  ["the bytes of a chunk are published", "link.publish(chunk.data, 1);"],
  ["an exact statistic is published", "link.publish(exact, 1);"],
  ["a summary is published without a format", "link.publish(summary, 1);"],
  ["a look-alike of a message is published", "link.publish(parts, 1);"],
  ["a copy of a message is published", "link.publish({ ...format.summary(summary, envelope), ...parts }, 1);"],
  ["a look-alike is put into the outbox", "void outbox.commit({ ...batch, rows: [{ seq: 1, message: parts }] });"],
  ["readings are put into the outbox", "void outbox.commit({ ...batch, rows: [{ seq: 1, message: readings }] });"],
  ["a closed window is formatted", "format.summary(closed, envelope);"],
  ["an exact statistic is formatted", "format.summary(exact, envelope);"],
  ["a copy of a summary is formatted", "format.summary({ ...summary }, envelope);"],
  ["a number is logged", 'events.emit({ type: "SensorAlive", sensor: summary.stream.sensor, value: 87.6 });'],
  ["an event of one's own is logged", 'events.emit({ type: "PassageSeen", sensor: summary.stream.sensor });'],
];

/** Compiles statements in a folder beside a copy of the sources; gives the errors of each. */
async function compiled(name: string, statements: readonly string[], change: (copy: string) => void = () => undefined) {
  const copy = join(folder, name);
  mkdirSync(copy);
  for (const part of ["core", "formats", "ports", "driver-api"])
    cpSync(join(ROOT, "src", part), join(copy, "src", part), { recursive: true });
  writeFileSync(join(copy, "package.json"), '{ "type": "module" }');
  const compilerOptions = {
    ...{ noEmit: true, rewriteRelativeImportExtensions: false, allowImportingTsExtensions: true, rootDir: "." },
    ...{ typeRoots: [join(ROOT, "node_modules/@types")], noUnusedLocals: false },
  };
  const files = statements.map((_, index) => `statement-${index}.ts`);
  writeFileSync(join(copy, "tsconfig.json"), JSON.stringify({ extends: join(ROOT, "tsconfig.json"), compilerOptions, files, include: [] }));
  for (const [index, statement] of statements.entries()) writeFileSync(join(copy, files[index] as string), HEAD + statement);
  change(copy);
  const printed = await new Promise<string>((settled) => {
    execFile(join(ROOT, "node_modules/.bin/tsc"), ["-p", copy, "--pretty", "false"], { cwd: copy }, (_error, stdout) => settled(stdout));
  });
  const errors = printed.split("\n").filter((line) => line.includes("error TS"));
  const statementLine = HEAD.split("\n").length;
  return files.map((file) => {
    const own = errors.filter((line) => line.startsWith(`${file}(`));
    return { own, atStatement: own.filter((line) => Number(/\((\d+),/.exec(line)?.[1]) >= statementLine), all: errors };
  });
}

describe("P1: the compiler", () => {
  let results: Awaited<ReturnType<typeof compiled>>;
  beforeAll(async () => {
    results = await compiled("as-it-is", [MEANT, ...REFUSED.map(([, statement]) => statement)]);
  });

  it("takes the way that is meant, so that it is the other statements that it refuses", () => {
    expect(results[0]?.own).toEqual([]);
    const elsewhere = results[0]?.all.filter((line) => !line.startsWith("statement-"));
    expect(elsewhere).toEqual([]);
  });

  it.for(REFUSED.map(([what], index) => ({ what, index })))("refuses it when $what", ({ index }) => {
    const { own = [], atStatement = [] } = results[index + 1] ?? {};
    expect(atStatement.length, "an error").toBeGreaterThan(0);
    expect(own, "and no other").toEqual(atStatement);
  });

  it("would not, were a message any object of that form", async () => {
    const at = REFUSED.findIndex(([what]) => what === "a look-alike of a message is published");
    const [weaker] = await compiled("mutant", [REFUSED[at]?.[1] ?? ""], (copy) => {
      const path = join(copy, "src/core/anonymise/message.ts");
      const text = readFileSync(path, "utf8")
        .replace(/ {2}readonly #sealed = true;\n/, "")
        .replace("#sealed in value && value.#sealed", "true");
      writeFileSync(path, text);
    });
    expect(weaker?.own).toEqual([]);
  });
});

const PARTS: MessageParts = {
  topic: "city/n0042/gate/passages/summary",
  payload: new TextEncoder().encode('{"passages":4273}'),
  retain: false,
  expirySeconds: null,
};

/** What somebody may try who has talked the compiler out of it. */
const FAKES: readonly (readonly [string, () => unknown])[] = [
  ["a look-alike", () => PARTS],
  ["a copy of a real one", () => ({ ...message(PARTS.topic, "{}") })],
  ["a heir of a real one", () => Object.create(message(PARTS.topic, "{}"), { payload: { value: PARTS.payload } })],
  ["a real one behind a proxy", () => new Proxy(message(PARTS.topic, "{}"), {})],
  ["an object with its prototype", () => Object.assign(Object.create(Message.prototype) as object, PARTS)],
  ["a reading", () => ({ topic: PARTS.topic, payload: Float64Array.of(87.6), retain: false, expirySeconds: null })],
];

describe("P1: when it runs, it is refused as well:", () => {
  const key = Symbol("mint");
  it.each(FAKES)("%s, by the connection to the broker", async (_, fake) => {
    const broker = await startMosquitto();
    const link = createMqttBroker({ url: broker.url, protocol: 5, clientId: "n0042", keepAliveMs: 60_000 });
    try {
      const refusal = await new Promise<unknown>((settled) => {
        let thrown: unknown = "nothing was thrown";
        const open = link.connect({ will: lostStatus, timeoutMs: 5_000 }, ({ type }) => {
          if (type === "closed") settled(thrown);
          if (type !== "connected") return;
          try {
            open.publish(fake() as Message, 1);
          } catch (error) {
            thrown = error;
          }
          open.end();
        });
      });
      expect(String(refusal)).toContain("bug: only a sealed message leaves");
      const will = { will: fake() as Message, timeoutMs: 5_000 };
      expect(() => link.connect(will, () => undefined)).toThrow("bug: only a sealed message leaves");
    } finally {
      await broker.stop();
    }
  });

  it.each(FAKES)("%s, by the outbox, which stores nothing of the batch", async (_, fake) => {
    const outbox = await openOutbox({ directory: null, randomBytes });
    const rows = [
      { seq: 1, message: message(PARTS.topic, "{}") },
      { seq: 2, message: fake() as Message },
    ];
    await expect(outbox.commit(batch(rows))).rejects.toThrow("bug: only a sealed message waits in the outbox");
    expect([outbox.standing().lastSeq, await outbox.read(0, 10)]).toEqual([0, []]);
    await outbox.commit(batch(rows.slice(0, 1)));
    expect(outbox.standing().lastSeq).toBe(1);
    await outbox.close();
  });

  it("somebody who makes one without the key, by any way", () => {
    expect(() => new Message(key, PARTS)).toThrow(/formats and restored by the outbox only/);
    class Heir extends Message {}
    expect(() => new Heir(key, PARTS)).toThrow(/formats and restored by the outbox only/);
    expect(() => Reflect.construct(Message, [Symbol.for("mint"), PARTS])).toThrow(/formats and restored by the outbox only/);
    expect(Message.isSealed(restoreMessage(PARTS)), "the key is what makes the difference").toBe(true);
  });
});

type Rows = Parameters<Outbox["commit"]>[0]["rows"];
const batch = (rows: Rows) => ({ rows, marks: new Map(), facts: new Map(), madeAt: epochMs(0) });

describe("P1: a row of the outbox that was changed on the card", () => {
  it("is not sent, nor is one that was put there; the others are", { timeout: 60_000 }, async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    await broker.kill9();
    const sensors = Object.fromEntries(["a", "b", "c", "d"].map((id) => [id, { driver: "sds011", serial: { path: `/dev/none-${id}` } }]));
    const site = lab.site({ broker: { url: broker.url }, sensors }); // nobody listens there: the metas wait
    await (await site.runUntilReady()).kill9();
    const db = new Database(join(site.storage, "node.db"));
    const waiting = db.prepare<[], { position: number; topic: string }>("SELECT position, topic FROM outbox").all();
    const changed = waiting.find(({ topic }) => topic.endsWith("/b/meta"))?.position;
    expect(db.prepare("UPDATE outbox SET payload = CAST('{\"leak\":87.6}' AS BLOB) WHERE position = ?").run(changed).changes).toBe(1);
    db.exec(`INSERT INTO outbox SELECT position + 1, seq, made_ms, '${PARTS.topic}', CAST('{"leak":87.6}' AS BLOB), retain, expiry_s,
      end_bytes, crc
      FROM outbox ORDER BY position DESC LIMIT 1`);
    db.close();

    await broker.restart();
    const subscriber = await lab.subscriber(broker.url);
    const node = await site.runUntilReady();
    await subscriber.waitFor((all) => ["a", "c", "d"].every((id) => all.some(({ topic }) => topic.endsWith(`/${id}/meta`))), 10_000);
    await site.statusWhen(({ outbox }) => outbox.rows === 0);
    expect((await node.stop()).code).toBe(0);
    expect(subscriber.messages.filter(({ payload }) => payload.includes("leak")).map(({ topic }) => topic)).toEqual([]);
    expect(subscriber.messages.some(({ topic }) => topic === PARTS.topic || topic.endsWith("/b/meta"))).toBe(false);
  });
});
