import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChargedSpan } from "../../src/core/anonymise/ledger.ts";
import { type Message, sealMessage } from "../../src/core/anonymise/message.ts";
import { epsilonMicro } from "../../src/core/units/epsilon.ts";
import { type StreamId, sensorId, streamId } from "../../src/core/units/ids.ts";
import { durationMs, type EpochMs, epochMs } from "../../src/core/units/time.ts";
import type { Acknowledgement, CloseBatch, NewRow, Outbox, OutboxLimits, OutboxRow } from "../../src/ports/outbox.ts";

export const STREAM: StreamId = streamId(sensorId("air-1"), "pm25");
const HOUR = 3_600_000;

/** A message of `bytes` bytes, topic included. */
export function message(text: string, bytes = 40, topic = "p/n1/air-1/pm25/summary"): Message {
  return sealMessage({ topic, payload: Buffer.from(text.padEnd(bytes - topic.length, ".")), retain: false, expirySeconds: 3_600 });
}

/** A batch with these rows and nothing else. */
export const batchOf = (rows: readonly NewRow[], madeAt = 0): CloseBatch => ({
  rows,
  marks: new Map(),
  facts: new Map(),
  madeAt: epochMs(madeAt),
});

/** Summaries numbered from `fromSeq` on. */
export const summaries = (fromSeq: number, count: number): NewRow[] =>
  Array.from({ length: count }, (_, at) => ({ message: message(`summary ${fromSeq + at}`), seq: fromSeq + at }));

const META_TOPIC = "p/n1/air-1/meta";
export const meta = (text: string): NewRow => ({ message: message(text, 40, META_TOPIC), seq: null });

/** A summary of an earlier instance, whose number is of there. */
export const earlier = (text: string): NewRow => ({ message: message(text), seq: null });

const ADDRESS = "broker.example:8883";
const ROW_BYTES = 40;

/** These rows, as the broker took them at `at`, or refused them. */
export const ackedRows = (
  rows: readonly { readonly position: number; readonly seq: number | null }[],
  at = 0,
  reasonOf: (position: number) => string | undefined = () => undefined,
): Acknowledgement => {
  const settled = rows.map(({ position, seq }) => ({ position, seq, bytes: ROW_BYTES, reason: reasonOf(position) }));
  return {
    sent: settled
      .filter(({ reason }) => reason === undefined)
      .map(({ reason: _, ...row }) => ({ ...row, at: epochMs(at), address: ADDRESS })),
    refused: settled.flatMap(({ reason, ...row }) => (reason === undefined ? [] : [{ ...row, reason }])),
  };
};

/** An acknowledgement of what waits up to `upTo`, at `at`, in a queue of numbered summaries and nothing else. */
export const acked = (outbox: Outbox, upTo: number, at = 0, refused: readonly number[] = []): Acknowledgement => {
  const { acknowledgedPosition } = outbox.standing();
  const rows = Array.from({ length: Math.max(0, upTo - acknowledgedPosition) }, (_, index) => acknowledgedPosition + 1 + index);
  return ackedRows(
    rows.map((position) => ({ position, seq: position })),
    at,
    (position) => (refused.includes(position) ? "not-authorised" : undefined),
  );
};

/** Settles what waits up to a position, whatever it is. */
export async function settle(outbox: Outbox, upTo: number, at = 0, refused: readonly number[] = []): Promise<void> {
  const rows = (await outbox.read(0, 100_000)).filter(({ position }) => position <= upTo);
  await outbox.acknowledge(ackedRows(rows, at, (position) => (refused.includes(position) ? "not-authorised" : undefined)));
}

/** Limits that let everything stay. */
export const UNLIMITED: OutboxLimits = {
  bytesMax: 1e9,
  acknowledgedBefore: null,
  pendingBefore: null,
  egressBefore: null,
  egressBytesMax: 1e9,
};

/** Calls `trim` until there is no more, which must be soon. */
export async function trimAll(outbox: Outbox, limits: Partial<OutboxLimits>): Promise<number> {
  let total = 0;
  for (let slice = 0; slice < 100; slice++) {
    const { rows, more } = await outbox.trim({ ...UNLIMITED, ...limits });
    total += rows;
    if (!more) return total;
  }
  throw new Error("trim does not come to an end");
}

const seqs = (rows: readonly OutboxRow[]) => rows.map((row) => row.seq);

/** What every outbox promises. `make` opens an empty one; `runs`: how many random histories it can be put through in a second or two. */
export function outboxContract(make: () => Promise<Outbox>, runs: number): void {
  describe("as an outbox", () => {
    it("starts empty, with a name and in its first run", async () => {
      const outbox = await make();
      expect(outbox.instance).toMatch(/^[0-9a-f]{8}$/);
      expect([outbox.run, outbox.quarantined]).toEqual([1, null]);
      expect(outbox.standing()).toEqual({
        lastSeq: 0,
        lastPosition: 0,
        acknowledgedPosition: 0,
        aheadRanges: 0,
        aheadTo: 0,
        firstUnackedSeq: null,
        pendingRows: 0,
        pendingBytes: 0,
        queueBytes: 0,
        lost: [],
        lostEarlier: 0,
        givenUp: 0,
        isShort: false,
      });
      expect(await outbox.read(0, 10)).toEqual([]);
      await outbox.close();
    });

    it("keeps one span for each stream and start, and gives back the last that was written", async () => {
      const outbox = await make();
      const span = (fromMs: number, toMs: number, stream = STREAM): ChargedSpan => ({
        account: "node",
        stream,
        windowMs: durationMs(900_000),
        epsilonMicro: epsilonMicro(600_000),
        fromMs: epochMs(fromMs),
        toMs: epochMs(toMs),
      });
      const other = streamId(sensorId("gate-1"), "speed");
      expect(await outbox.ledger()).toEqual({ spans: [], damaged: 0 });
      await outbox.commit({ ...batchOf([]), charges: [span(0, 900_000), span(0, 900_000, other)] });
      await outbox.commit({ ...batchOf([]), charges: [span(0, 1_800_000), span(3_600_000, 4_500_000, other)] });
      const { spans, damaged } = await outbox.ledger();
      expect(damaged).toBe(0);
      expect(spans).toHaveLength(3);
      expect(spans).toEqual(expect.arrayContaining([span(0, 1_800_000), span(0, 900_000, other), span(3_600_000, 4_500_000, other)]));
      await outbox.close();
    });

    it("gives rows back byte for byte, in the order of their commit", async () => {
      const outbox = await make();
      const forever = sealMessage({ topic: "p/n1/meta", payload: Uint8Array.of(0, 255, 7), retain: true, expirySeconds: null });
      await outbox.commit(batchOf([{ message: forever, seq: null }, ...summaries(1, 2)]));
      const rows = await outbox.read(0, 10);
      expect(rows.map(({ position, seq }) => [position, seq])).toEqual([
        [1, null],
        [2, 1],
        [3, 2],
      ]);
      expect(rows[0]?.message).toMatchObject({ topic: "p/n1/meta", retain: true, expirySeconds: null });
      expect([...(rows[0]?.message.payload ?? [])]).toEqual([0, 255, 7]);
      expect(rows[1]?.message).toMatchObject({ retain: false, expirySeconds: 3_600 });
      expect(Buffer.from(rows[1]?.message.payload ?? []).toString()).toMatch(/^summary 1\.*$/);
      await outbox.close();
    });

    it("keeps marks and facts, the last of each", async () => {
      const outbox = await make();
      const marks = (closedTo: number, lastStart: number | null) =>
        new Map([[STREAM, { closedTo: epochMs(closedTo), lastStart: lastStart as EpochMs | null }]]);
      await outbox.commit({ ...batchOf([]), marks: marks(900_000, null), facts: new Map([["meta:p/n1/meta", "5be1c0aa"]]) });
      await outbox.commit({ ...batchOf([]), marks: marks(1_800_000, 900_000), facts: new Map([["meta:p/n1/meta", "00000001"]]) });
      expect(await outbox.marks()).toEqual(marks(1_800_000, 900_000));
      expect(await outbox.recall("meta:p/n1/meta")).toBe("00000001");
      expect(await outbox.recall("meta:other")).toBeNull();
      await outbox.close();
    });

    it("writes nothing of a batch that it cannot take whole, and goes on", async () => {
      const outbox = await make();
      const marks = new Map([[STREAM, { closedTo: epochMs(1), lastStart: null }]]);
      await expect(outbox.commit({ ...batchOf([...summaries(1, 1), ...summaries(3, 1)]), marks })).rejects.toThrow("number 2");
      expect(outbox.standing()).toMatchObject({ lastSeq: 0, lastPosition: 0 });
      expect(await outbox.marks()).toEqual(new Map());
      await outbox.commit(batchOf(summaries(1, 1)));
      expect(seqs(await outbox.read(0, 10))).toEqual([1]);
      await outbox.close();
    });

    it("reads on from any position, a page at a time, and never what is settled", async () => {
      const outbox = await make();
      await outbox.commit(batchOf(summaries(1, 10)));
      await outbox.acknowledge(acked(outbox, 4));
      expect(seqs(await outbox.read(0, 3))).toEqual([5, 6, 7]);
      expect(seqs(await outbox.read(7, 100))).toEqual([8, 9, 10]);
      expect(seqs(await outbox.read(10, 100))).toEqual([]);
      await outbox.close();
    });

    it("counts what waits, and names the oldest summary that does", async () => {
      const outbox = await make();
      await outbox.commit(batchOf([meta("a"), ...summaries(1, 2), meta("b"), ...summaries(3, 1)]));
      const waits = () => {
        const { pendingRows, pendingBytes, firstUnackedSeq } = outbox.standing();
        return [pendingRows, pendingBytes, firstUnackedSeq];
      };
      expect(waits()).toEqual([5, 200, 1]);
      await outbox.acknowledge(acked(outbox, 1));
      expect(waits()).toEqual([4, 160, 1]);
      await outbox.acknowledge(acked(outbox, 3));
      expect(waits()).toEqual([2, 80, 3]);
      await outbox.acknowledge(acked(outbox, 5));
      expect(waits()).toEqual([0, 0, null]);
      await outbox.close();
    });

    it("takes an acknowledgement together with a batch, all or nothing", async () => {
      const outbox = await make();
      await outbox.commit(batchOf(summaries(1, 5)));
      await outbox.commit({
        ...batchOf(summaries(6, 2)),
        acknowledgement: acked(outbox, 4, 1, [2]),
      });
      const standing = { acknowledgedPosition: 4, firstUnackedSeq: 5, pendingRows: 3, lastSeq: 7 };
      expect(outbox.standing()).toMatchObject({ ...standing, lost: [{ fromSeq: 2, toSeq: 2, reason: "not-authorised" }] });
      expect(seqs(await outbox.read(0, 10))).toEqual([5, 6, 7]);
      const torn = [...summaries(8, 1), ...summaries(10, 1)];
      await expect(outbox.commit({ ...batchOf(torn), acknowledgement: acked(outbox, 6) })).rejects.toThrow("number 9");
      await expect(outbox.commit({ ...batchOf(summaries(8, 1)), acknowledgement: acked(outbox, 8) })).rejects.toThrow();
      expect(outbox.standing()).toMatchObject(standing);
      await trimAll(outbox, { acknowledgedBefore: epochMs(2) });
      await outbox.commit({ ...batchOf(summaries(8, 1)), acknowledgement: acked(outbox, 7, 3) });
      expect(seqs(await outbox.read(0, 10))).toEqual([8]);
      await outbox.close();
    });

    it("takes an acknowledgement of what is settled already as no news", async () => {
      const outbox = await make();
      await outbox.commit(batchOf(summaries(1, 3)));
      await outbox.acknowledge(acked(outbox, 2));
      await outbox.acknowledge(ackedRows([{ position: 1, seq: 1 }]));
      expect(outbox.standing()).toMatchObject({ acknowledgedPosition: 2, firstUnackedSeq: 3 });
      await expect(outbox.acknowledge(acked(outbox, 4))).rejects.toThrow("written");
      await outbox.close();
    });

    it("takes what overtakes a row that waits, keeps it over a start, and moves on over it when that row leaves", async () => {
      const outbox = await make();
      await outbox.commit(batchOf(summaries(1, 10)));
      const only = (...positions: number[]) => ackedRows(positions.map((position) => ({ position, seq: position })));
      await outbox.acknowledge(only(2, 3, 7));
      await outbox.acknowledge(only(4, 9));
      const waits = { acknowledgedPosition: 0, firstUnackedSeq: 1, pendingRows: 5, pendingBytes: 200, lost: [] };
      expect(outbox.standing()).toMatchObject(waits);
      expect(seqs(await outbox.read(0, 100))).toEqual([1, 5, 6, 8, 10]);
      await outbox.reopen();
      expect(outbox.standing()).toMatchObject(waits);
      expect(seqs(await outbox.read(0, 2)), "as many as asked for, or fewer").toEqual([1]);
      expect(seqs(await outbox.read(1, 2))).toEqual([5, 6]);
      expect(seqs(await outbox.read(6, 1))).toEqual([8]);
      await outbox.acknowledge(only(1, 6));
      expect(outbox.standing()).toMatchObject({ acknowledgedPosition: 4, firstUnackedSeq: 5, pendingRows: 3, pendingBytes: 120 });
      await outbox.acknowledge(only(5));
      expect(outbox.standing()).toMatchObject({ acknowledgedPosition: 7, firstUnackedSeq: 8, pendingRows: 2, pendingBytes: 80 });
      await outbox.reopen();
      expect(seqs(await outbox.read(0, 100))).toEqual([8, 10]);
      await outbox.close();
    });

    it("names the oldest summary that waits, also when others overtook what has no number", async () => {
      const outbox = await make();
      await outbox.commit(batchOf([meta("m"), ...summaries(1, 3)]));
      await outbox.acknowledge(ackedRows([{ position: 2, seq: 1 }]));
      expect(outbox.standing()).toMatchObject({ firstUnackedSeq: 2, aheadRanges: 1 });
      await outbox.acknowledge(
        ackedRows([
          { position: 3, seq: 2 },
          { position: 4, seq: 3 },
        ]),
      );
      expect(outbox.standing()).toMatchObject({ firstUnackedSeq: null, pendingRows: 1, aheadRanges: 1 });
      await outbox.close();
    });

    it("reports of what it gives up only what waited, and takes back what arrived nevertheless", async () => {
      const outbox = await make();
      await outbox.commit(batchOf(summaries(1, 10)));
      await outbox.acknowledge(ackedRows([2, 3, 6].map((position) => ({ position, seq: position }))));
      await trimAll(outbox, { bytesMax: 4 * ROW_BYTES });
      expect(outbox.standing()).toMatchObject({ acknowledgedPosition: 6, givenUp: 3, pendingRows: 4, pendingBytes: 160 });
      expect(named(outbox)).toEqual([1, 4, 5].map((seq) => [seq, "outbox-full"]));
      // It was under way as it was given up.
      await outbox.acknowledge(ackedRows([{ position: 4, seq: 4 }]));
      expect(named(outbox)).toEqual([1, 5].map((seq) => [seq, "outbox-full"]));
      await outbox.reopen();
      expect(named(outbox)).toEqual([1, 5].map((seq) => [seq, "outbox-full"]));
      await outbox.close();
    });

    it("makes wait again what overtook a row that waits, and what was refused is not lost once it has arrived", async () => {
      const outbox = await make();
      await outbox.commit(batchOf([...summaries(1, 6), meta("m"), ...summaries(7, 4)]));
      await settle(outbox, 2);
      const others = (await outbox.read(0, 100)).filter(({ seq }) => seq !== 3);
      await outbox.acknowledge(ackedRows(others, 0, (position) => (position === 9 ? "refused" : undefined)));
      expect(outbox.standing()).toMatchObject({ firstUnackedSeq: 3, pendingRows: 1, lost: [{ fromSeq: 8, toSeq: 8 }] });
      expect(await outbox.rewind(11)).toBeNull();
      expect(await outbox.rewind(8)).toEqual({ position: 8, seq: 8 });
      await outbox.reopen();
      expect(seqs(await outbox.read(0, 100))).toEqual([3, 8, 9, 10]);
      expect(outbox.standing()).toMatchObject({ pendingRows: 4, pendingBytes: 160, acknowledgedPosition: 2 });
      await outbox.acknowledge(ackedRows([{ position: 9, seq: 8 }]));
      expect(outbox.standing()).toMatchObject({ lost: [], pendingRows: 3 });
      expect(await outbox.rewind(2)).toEqual({ position: 1, seq: 2 });
      await outbox.reopen();
      expect(seqs(await outbox.read(0, 100))).toEqual([2, 3, 4, 5, 6, null, 7, 8, 9, 10]);
      await outbox.close();
    });

    it("gives back what waits, whatever is settled in whatever order, sent again and opened again", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(rewindOperation, { maxLength: 25 }), async (operations) => rewinds(await make(), operations)),
        { numRuns: runs },
      );
    });

    it("reports a refused summary as lost, and a refused meta not, for it has no number", async () => {
      const outbox = await make();
      await outbox.commit(batchOf([meta("a"), ...summaries(1, 2)]));
      await settle(outbox, 2, 0, [1, 2]);
      expect(outbox.standing()).toMatchObject({ acknowledgedPosition: 2, lost: [{ fromSeq: 1, toSeq: 1, reason: "not-authorised" }] });
      expect(seqs(await outbox.read(0, 10))).toEqual([2]);
      await outbox.close();
    });

    it("makes what was settled wait again from a number on, metas behind the one before it included, byte for byte", async () => {
      const outbox = await make();
      await outbox.commit(batchOf([...summaries(1, 3), meta("m"), ...summaries(4, 4)]));
      const before = await outbox.read(0, 10);
      await outbox.acknowledge(acked(outbox, 6));
      expect(await outbox.rewind(4)).toEqual({ position: 3, seq: 4 });
      expect(await outbox.read(0, 10)).toEqual(before.slice(3));
      expect(outbox.standing()).toMatchObject({ acknowledgedPosition: 3, firstUnackedSeq: 4, pendingRows: 5, pendingBytes: 200 });
      await outbox.acknowledge(acked(outbox, 8, 1));
      expect(outbox.standing()).toMatchObject({ pendingRows: 0, pendingBytes: 0, firstUnackedSeq: null, lastSeq: 7, lost: [] });
      await outbox.reopen();
      expect(await outbox.rewind(7)).toEqual({ position: 7, seq: 7 });
      await outbox.reopen();
      expect(seqs(await outbox.read(0, 10))).toEqual([7]);
      await outbox.close();
    });

    it("rewinds to the oldest that is still there, and not at all where everything waits or nothing is left", async () => {
      const outbox = await make();
      expect(await outbox.rewind(1)).toBeNull();
      await outbox.commit(batchOf(summaries(1, 6)));
      expect(await outbox.rewind(1)).toBeNull();
      await outbox.acknowledge(acked(outbox, 2, 10 * HOUR));
      await outbox.acknowledge(acked(outbox, 5, 20 * HOUR));
      await trimAll(outbox, { acknowledgedBefore: epochMs(11 * HOUR) });
      expect(await outbox.rewind(6)).toBeNull();
      expect(await outbox.rewind(7)).toBeNull();
      expect(outbox.standing()).toMatchObject({ firstUnackedSeq: 6, pendingBytes: 40 });
      expect(await outbox.rewind(1)).toEqual({ position: 2, seq: 3 });
      expect(outbox.standing()).toMatchObject({ firstUnackedSeq: 3, pendingBytes: 160, pendingRows: 4 });
      // What waits again is not deleted as old.
      await trimAll(outbox, { acknowledgedBefore: epochMs(30 * HOUR) });
      expect(seqs(await outbox.read(0, 10))).toEqual([3, 4, 5, 6]);
      await outbox.close();
    });

    it("drops the oldest pending rows beyond the limit of bytes, and reports them as one range", async () => {
      const outbox = await make();
      await outbox.commit(batchOf([...summaries(1, 2), meta("m"), ...summaries(3, 7)]));
      await outbox.acknowledge(acked(outbox, 1));
      expect(await trimAll(outbox, { bytesMax: 119 })).toBe(8);
      expect(seqs(await outbox.read(0, 10))).toEqual([8, 9]);
      expect(outbox.standing()).toMatchObject({ pendingBytes: 80, givenUp: 7, lost: [{ fromSeq: 2, toSeq: 7, reason: "outbox-full" }] });
      await outbox.close();
    });

    it("counts summaries of an earlier instance that are given up or refused; metas are no loss", async () => {
      const outbox = await make();
      await outbox.commit(
        batchOf([earlier("a"), meta("b"), earlier("c"), ...summaries(1, 1), earlier("d"), meta("e"), ...summaries(2, 1)]),
      );
      await settle(outbox, 2, 0, [1, 2]);
      expect(outbox.standing()).toMatchObject({ lostEarlier: 1, lost: [] });
      await trimAll(outbox, { bytesMax: 79 });
      const standing = { lostEarlier: 3, firstUnackedSeq: 2, lastSeq: 2, lost: [{ fromSeq: 1, toSeq: 1, reason: "outbox-full" }] };
      expect(outbox.standing()).toMatchObject(standing);
      await outbox.commit({ ...batchOf([]), lostEarlier: 40 });
      await outbox.reopen();
      expect(outbox.standing()).toMatchObject({ ...standing, lostEarlier: 43 });
      await outbox.commit({ ...batchOf([]), lostEarlier: null });
      await outbox.commit({ ...batchOf([]), lostEarlier: 1 });
      await outbox.reopen();
      expect(outbox.standing()).toMatchObject({ ...standing, lostEarlier: null });
      await outbox.close();
    });

    it("drops what was acknowledged before anything that waits", async () => {
      const outbox = await make();
      await outbox.commit(batchOf(summaries(1, 10)));
      await outbox.acknowledge(acked(outbox, 6));
      expect(await trimAll(outbox, { bytesMax: 240 })).toBe(4);
      expect(outbox.standing()).toMatchObject({ pendingRows: 4, pendingBytes: 160, givenUp: 0, lost: [] });
      expect(await trimAll(outbox, { bytesMax: 240 })).toBe(0);
      await outbox.close();
    });

    it("forgets that a meta was queued when it is dropped with the rest, so that it is queued again, and no other", async () => {
      const outbox = await make();
      const facts = new Map([`meta:${META_TOPIC}`, "meta:other"].map((key) => [key, "5be1c0aa"]));
      await outbox.commit({ ...batchOf([meta("a"), ...summaries(1, 2)]), facts });
      await trimAll(outbox, { bytesMax: 40 });
      expect([await outbox.recall(`meta:${META_TOPIC}`), await outbox.recall("meta:other")]).toEqual([null, "5be1c0aa"]);
      await outbox.close();
    });

    it("drops pending rows that are too old, and keeps all while time is not trusted", async () => {
      const outbox = await make();
      await outbox.commit(batchOf(summaries(1, 2), 1 * HOUR));
      await outbox.commit(batchOf(summaries(3, 2), 2 * HOUR));
      expect(await trimAll(outbox, { pendingBefore: null })).toBe(0);
      expect(await trimAll(outbox, { pendingBefore: epochMs(2 * HOUR) })).toBe(2);
      expect(seqs(await outbox.read(0, 10))).toEqual([3, 4]);
      expect(outbox.standing().lost).toEqual([{ fromSeq: 1, toSeq: 2, reason: "expired" }]);
      await outbox.close();
    });

    it("keeps acknowledged rows by when they were acknowledged, not by when they were made", async () => {
      const outbox = await make();
      await outbox.commit(batchOf(summaries(1, 4), 0));
      await outbox.acknowledge(acked(outbox, 2, 10 * HOUR));
      await outbox.acknowledge(acked(outbox, 4, 20 * HOUR));
      expect(await trimAll(outbox, { acknowledgedBefore: epochMs(10 * HOUR) })).toBe(0);
      expect(await trimAll(outbox, { acknowledgedBefore: epochMs(11 * HOUR) })).toBe(2);
      expect(await trimAll(outbox, { acknowledgedBefore: epochMs(21 * HOUR) })).toBe(2);
      expect(outbox.standing()).toMatchObject({ lastSeq: 4, lastPosition: 4, lost: [] });
      await outbox.commit(batchOf(summaries(5, 1)));
      expect((await outbox.read(0, 10))[0]).toMatchObject({ position: 5, seq: 5 });
      await outbox.close();
    });

    it("works off a long backlog in slices", async () => {
      const outbox = await make();
      await outbox.commit(batchOf(summaries(1, 1_200)));
      expect(await outbox.trim({ ...UNLIMITED, bytesMax: 0 })).toEqual({ rows: 500, more: true });
      expect(await trimAll(outbox, { bytesMax: 0 })).toBe(700);
      expect(outbox.standing()).toMatchObject({ pendingRows: 0, lost: [{ fromSeq: 1, toSeq: 1_200, reason: "outbox-full" }] });
      await outbox.close();
    });

    it("is the same after it was opened again", async () => {
      const outbox = await make();
      await outbox.commit({ ...batchOf(summaries(1, 3)), facts: new Map([["k", "v"]]) });
      await outbox.acknowledge(acked(outbox, 1));
      const before = outbox.standing();
      await outbox.reopen();
      expect(outbox.standing()).toEqual(before);
      expect(await outbox.recall("k")).toBe("v");
      expect(seqs(await outbox.read(0, 10))).toEqual([2, 3]);
      await outbox.close();
    });

    it("agrees with a list of rows, whatever is done to it", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => agrees(await make(), operations)),
        { numRuns: runs },
      );
    });
  });
}

const kind = fc.constantFrom("summary" as const, "meta" as const, "earlier" as const);

const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("commit" as const), rows: fc.array(kind, { maxLength: 8 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("acknowledge" as const),
      rows: fc.integer({ min: 0, max: 6 }),
      // Some wait while others overtake them.
      skipped: fc.array(fc.boolean(), { maxLength: 6 }),
      refused: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("trim" as const),
      pendingRows: fc.integer({ min: 0, max: 12 }),
      ageSteps: fc.option(fc.integer({ min: 0, max: 12 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

interface ModelRow {
  readonly position: number;
  readonly seq: number | null;
  readonly isEarlier: boolean;
  readonly madeAt: number;
}

/** The numbers that a list of ranges names, with their reason. */
const named = (outbox: Outbox) =>
  outbox
    .standing()
    .lost.flatMap(({ fromSeq, toSeq, reason }) => Array.from({ length: toSeq - fromSeq + 1 }, (_, at) => [fromSeq + at, reason]));

/** Does the same to the outbox and to a list, and compares them after each step. */
async function agrees(outbox: Outbox, operations: readonly Operation[]): Promise<void> {
  let pending: ModelRow[] = [];
  const lost = new Map<number, string>();
  let lostEarlier = 0;
  let lastSeq = 0;
  let lastPosition = 0;
  const lose = (rows: readonly ModelRow[], reason: string) => {
    for (const { seq } of rows) if (seq !== null) lost.set(seq, reason);
    lostEarlier += rows.filter(({ isEarlier }) => isEarlier).length;
  };
  const drop = (rows: readonly ModelRow[], reason: string) => {
    lose(rows, reason);
    pending = pending.slice(rows.length);
  };
  for (const [step, action] of operations.entries()) {
    switch (action.do) {
      case "commit": {
        const rows = action.rows.map((is) => {
          const seq = is === "summary" ? ++lastSeq : null;
          const row = { position: ++lastPosition, seq, isEarlier: is === "earlier", madeAt: step };
          pending.push(row);
          return is === "meta" ? meta(`row ${row.position}`) : { message: message(`row ${row.position}`), seq };
        });
        await outbox.commit({ ...batchOf(rows, step), marks: new Map([[STREAM, { closedTo: epochMs(step), lastStart: null }]]) });
        expect((await outbox.marks()).get(STREAM)).toEqual({ closedTo: step, lastStart: null });
        break;
      }
      case "acknowledge": {
        const rows = pending.slice(0, action.rows).filter((_, at) => action.skipped[at] !== true);
        const last = rows.at(-1);
        if (last === undefined) break;
        await outbox.acknowledge(
          ackedRows(rows, step, (position) => (action.refused && position === last.position ? "refused" : undefined)),
        );
        pending = pending.filter((row) => !rows.includes(row));
        if (action.refused) lose([last], "refused");
        break;
      }
      case "trim": {
        const pendingBefore = action.ageSteps === null ? null : epochMs(step - action.ageSteps);
        await trimAll(outbox, { bytesMax: action.pendingRows * ROW_BYTES, pendingBefore, acknowledgedBefore: pendingBefore });
        const aged = pendingBefore === null ? 0 : pending.filter(({ madeAt }) => madeAt < pendingBefore).length;
        drop(pending.slice(0, aged), "expired");
        const kept = lastPosition - action.pendingRows;
        drop(
          pending.filter(({ position }) => position <= kept),
          "outbox-full",
        );
        break;
      }
      case "reopen":
        await outbox.reopen();
        break;
    }
    const read = await outbox.read(0, 1_000);
    expect(read.map(({ position, seq }) => [position, seq])).toEqual(pending.map(({ position, seq }) => [position, seq]));
    expect(named(outbox)).toEqual([...lost].sort(([a], [b]) => a - b));
    const pendingBytes = pending.length * ROW_BYTES;
    expect(outbox.standing()).toMatchObject({ lastSeq, lastPosition, lostEarlier, pendingRows: pending.length, pendingBytes });
    expect(outbox.standing().firstUnackedSeq).toBe(pending.find(({ seq }) => seq !== null)?.seq ?? null);
  }
  await outbox.close();
}

const rewindOperation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("commit" as const), rows: fc.array(kind, { maxLength: 8 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("settle" as const), which: fc.array(fc.nat({ max: 30 }), { maxLength: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("rewind" as const), fromSeq: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
);
type RewindOperation = typeof rewindOperation extends fc.Arbitrary<infer T> ? T : never;

/** Nothing is trimmed here, so that everything that was settled can be made to wait again. */
async function rewinds(outbox: Outbox, operations: readonly RewindOperation[]): Promise<void> {
  const rows: { readonly position: number; readonly seq: number | null; isPending: boolean }[] = [];
  let lastSeq = 0;
  for (const action of operations) {
    switch (action.do) {
      case "commit": {
        const made = action.rows.map((is) => ({ is, seq: is === "summary" ? ++lastSeq : null }));
        for (const { seq } of made) rows.push({ position: rows.length + 1, seq, isPending: true });
        await outbox.commit(batchOf(made.map(({ is, seq }) => (is === "meta" ? meta("m") : { message: message("row"), seq }))));
        break;
      }
      case "settle": {
        const chosen = [...new Set(action.which)].map((at) => rows[at]).filter((row) => row?.isPending === true);
        await outbox.acknowledge(ackedRows(chosen.map((row) => ({ position: row?.position ?? 0, seq: row?.seq ?? null }))));
        for (const row of chosen) if (row !== undefined) row.isPending = false;
        break;
      }
      case "rewind": {
        const lastSettled = rows.findLastIndex(({ isPending }) => !isPending);
        const first = rows.findIndex(({ seq }) => (seq ?? 0) >= action.fromSeq);
        // Metas right before the summary go with it: they explain it.
        const from = first < 0 ? -1 : rows.findLastIndex(({ seq }, at) => at < first && seq !== null) + 1;
        const found = await outbox.rewind(action.fromSeq);
        if (first < 0 || from > lastSettled) expect(found).toBeNull();
        else {
          expect(found).toEqual({ position: from, seq: rows[first]?.seq });
          for (const row of rows.slice(from)) row.isPending = true;
        }
        break;
      }
      case "reopen":
        await outbox.reopen();
        break;
    }
    const pending = rows.filter(({ isPending }) => isPending);
    expect((await outbox.read(0, 1_000)).map(({ position, seq }) => [position, seq])).toEqual(
      pending.map(({ position, seq }) => [position, seq]),
    );
    expect(outbox.standing()).toMatchObject({ pendingRows: pending.length, pendingBytes: pending.length * ROW_BYTES, lastSeq, lost: [] });
    expect(outbox.standing().firstUnackedSeq).toBe(pending.find(({ seq }) => seq !== null)?.seq ?? null);
  }
  await outbox.close();
}
