import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SENSITIVITIES, type Sensitivity } from "../../src/core/reading/quantity.ts";
import { ChunkReader, ChunkWriter, RECORD_BYTES } from "../../src/core/reading/record.ts";
import { sensorId, streamId } from "../../src/core/units/ids.ts";
import { durationMs, epochMs, monotonicMs } from "../../src/core/units/time.ts";
import { type LiveChunk, type LiveStore, LiveStoreError, type StoredChunk } from "../../src/ports/live-store.ts";

const STREAM = streamId(sensorId("air-1"), "pm25");
const FIVE_MIN = durationMs(300_000);
const HOUR = durationMs(3_600_000);

/** A chunk of `values`, one a millisecond from `fromMs` on. */
export function chunkOf(
  values: readonly number[],
  about: Partial<LiveChunk> & { fromMs?: LiveChunk["fromMs"] } = {},
  stream = 1,
): LiveChunk {
  const fromMs = about.fromMs ?? monotonicMs(0);
  const writer = new ChunkWriter(values.length);
  for (const [index, value] of values.entries()) writer.add(stream, fromMs + index, value, 1, 0, 1);
  const data = writer.bytes().slice();
  return {
    sensitivity: "environmental",
    windowMs: FIVE_MIN,
    window: epochMs(0),
    toMs: monotonicMs(fromMs + values.length - 1),
    ...about,
    fromMs,
    data,
  };
}

const values = (chunks: Iterable<StoredChunk>): number[] =>
  [...chunks].flatMap(({ data }) => {
    const reader = new ChunkReader(data);
    return Array.from({ length: reader.count }, (_, at) => reader.value(at));
  });

/** What every live store promises. `make` opens an empty one that holds at most `bytesMax`. */
export function liveStoreContract(make: (bytesMax: number) => LiveStore): void {
  const open = () => make(16 * 1024 * 1024);

  describe("as a live store", () => {
    it("gives a stream one number for each meaning, and no other stream the same", () => {
      const store = open();
      const other = streamId(sensorId("air-1"), "pm10");
      const numbers = [store.streamIndex(STREAM, "ug/m3"), store.streamIndex(STREAM, "mg/m3"), store.streamIndex(other, "ug/m3")];
      expect(new Set(numbers).size).toBe(3);
      expect(store.streamIndex(STREAM, "mg/m3")).toBe(numbers[1]);
      expect(store.streamIndex(STREAM, "ug/m3"), "taken up again").toBe(numbers[0]);
      store.close();
    });

    it("notes a draw once, for each window, length and sensitivity apart", () => {
      const store = open();
      const claim = (streams: readonly number[], window = 0, windowMs = FIVE_MIN) => [
        ...store.claimDraws("presence", windowMs, epochMs(window), streams),
      ];
      expect(claim([1, 2])).toEqual([]);
      expect(claim([2, 3])).toEqual([2]);
      expect(claim([2], 300_000)).toEqual([]);
      expect(claim([2], 0, HOUR)).toEqual([]);
      expect([...store.claimDraws("identifying", FIVE_MIN, epochMs(0), [2])]).toEqual([]);
      expect(claim([1, 2, 3])).toEqual([1, 2, 3]);
      store.close();
    });

    it("forgets a draw with the readings of its window, and not before", () => {
      const store = open();
      const claim = (window: number) => [...store.claimDraws("presence", FIVE_MIN, epochMs(window), [1])];
      for (const window of [0, 300_000]) store.append(chunkOf([1], { window: epochMs(window), sensitivity: "presence" }));
      expect([claim(0), claim(300_000)]).toEqual([[], []]);
      store.purge("environmental", FIVE_MIN, epochMs(900_000));
      expect(claim(0)).toEqual([1]);
      store.purge("presence", FIVE_MIN, epochMs(300_000));
      expect(claim(300_000)).toEqual([1]);
      expect(claim(0)).toEqual([]);
      store.close();
    });

    it("keeps the note of a draw as long as a slice of the purge leaves readings", () => {
      const store = open();
      for (let chunk = 0; chunk < 3; chunk++) store.append(chunkOf([1], { sensitivity: "presence" }));
      store.claimDraws("presence", FIVE_MIN, epochMs(0), [1]);
      expect(store.purge("presence", FIVE_MIN, epochMs(300_000), 2)).toBe(2);
      expect([...store.claimDraws("presence", FIVE_MIN, epochMs(0), [1])]).toEqual([1]);
      store.close();
    });

    it("gives back the chunks of one window, every sensitivity, oldest first", () => {
      const store = open();
      store.append(chunkOf([3], { fromMs: monotonicMs(30), sensitivity: "presence" }));
      store.append(chunkOf([1], { fromMs: monotonicMs(10) }));
      store.append(chunkOf([99], { window: epochMs(300_000) }));
      store.append(chunkOf([98], { windowMs: HOUR }));
      store.append(chunkOf([97], { window: null }));
      expect(values(store.read(FIVE_MIN, epochMs(0)))).toEqual([1, 3]);
      expect([...store.read(FIVE_MIN, epochMs(0))][0]).toMatchObject({ window: 0, windowMs: 300_000, fromMs: 10, toMs: 10 });
      store.close();
    });

    it("says which windows it holds, unlabelled ones too", () => {
      const store = open();
      for (const window of [0, 0, 300_000]) store.append(chunkOf([1], { window: epochMs(window) }));
      store.append(chunkOf([1], { window: null, sensitivity: "presence" }));
      expect(store.held()).toEqual([
        { sensitivity: "presence", windowMs: 300_000, window: null },
        { sensitivity: "environmental", windowMs: 300_000, window: 0 },
        { sensitivity: "environmental", windowMs: 300_000, window: 300_000 },
      ]);
      store.close();
    });

    it("takes in and deletes chunks while somebody walks over it", () => {
      const store = open();
      for (let at = 0; at < 3; at++) store.append(chunkOf([at], { fromMs: monotonicMs(at), window: null }));
      const seen: number[] = [];
      for (const chunk of store.unlabelled()) {
        seen.push(...values([chunk]));
        store.relabel(chunk.id, [{ ...chunk, window: epochMs(0) }]);
        store.append(chunkOf([9], { window: null }));
      }
      expect(seen).toEqual([0, 1, 2]);
      expect(values(store.read(FIVE_MIN, epochMs(0)))).toEqual([0, 1, 2]);
      expect(values(store.unlabelled())).toEqual([9, 9, 9]);
      store.close();
    });

    it("leaves an unlabelled chunk as it was when what should take its place does not fit", () => {
      const store = make(200_000);
      store.append(chunkOf([1, 2], { window: null }));
      const [chunk] = [...store.unlabelled()];
      const large = { ...chunkOf(new Array(2_000).fill(7)) };
      expect(() => store.relabel(chunk?.id ?? -1, new Array(10).fill(large))).toThrow(LiveStoreError);
      expect(values(store.unlabelled())).toEqual([1, 2]);
      expect(values(store.read(FIVE_MIN, epochMs(0)))).toEqual([]);
      store.close();
    });

    it("purges one class up to a window, and nothing else; a second time it finds nothing", () => {
      const store = open();
      for (const window of [0, 300_000, 600_000]) store.append(chunkOf([window], { window: epochMs(window) }));
      store.append(chunkOf([1], { sensitivity: "presence" }));
      store.append(chunkOf([2], { windowMs: HOUR }));
      store.append(chunkOf([3], { window: null }));
      expect(store.purge("environmental", FIVE_MIN, epochMs(600_000))).toBe(2);
      expect(store.purge("environmental", FIVE_MIN, epochMs(600_000))).toBe(0);
      expect(store.held()).toHaveLength(4);
      store.close();
    });

    it("sheds the oldest unlabelled chunks, and says how many records went", () => {
      const store = open();
      for (let at = 0; at < 5; at++) store.append(chunkOf([at, at, at], { window: null, fromMs: monotonicMs(10 * at) }));
      store.append(chunkOf([9]));
      expect(store.shedUnlabelled(2)).toBe(9);
      expect(values(store.unlabelled())).toEqual([3, 3, 3, 4, 4, 4]);
      expect(store.shedUnlabelled(2)).toBe(0);
      store.close();
    });

    it("sheds the oldest that waits, as much as is asked for, and gives it back", () => {
      const store = open();
      for (let at = 0; at < 5; at++) store.append(chunkOf([at, at], { window: null, fromMs: monotonicMs(10 * at) }));
      store.append(chunkOf([9]));
      expect(values(store.shedOldest(3 * RECORD_BYTES))).toEqual([0, 0, 1, 1]);
      expect(values(store.shedOldest(2 * RECORD_BYTES))).toEqual([2, 2]);
      expect(values(store.unlabelled())).toEqual([3, 3, 4, 4]);
      expect(values(store.shedOldest(1_000_000))).toEqual([3, 3, 4, 4]);
      expect(values(store.shedOldest(1_000_000))).toEqual([]);
      expect(values(store.read(FIVE_MIN, epochMs(0)))).toEqual([9]);
      store.close();
    });

    it.each([1, 5, 40, 900])("labels everything that waits when it is full of chunks of %i readings, and notes draws", (records) => {
      const store = make(1_000_000);
      const window = epochMs(Date.UTC(2026, 10, 23));
      const chunk = chunkOf(new Array(records).fill(7), { sensitivity: "presence", window });
      let stored = 0;
      const fill = () => {
        for (; stored < 100_000; stored++) store.append({ ...chunk, window: null, fromMs: monotonicMs(stored) });
      };
      expect(fill).toThrow(expect.objectContaining({ code: "LIVE_FULL" }));
      for (const { id } of store.unlabelled()) store.relabel(id, [chunk]);
      expect(values(store.read(FIVE_MIN, window))).toHaveLength(records * stored);
      const streams = Array.from({ length: 200 }, (_, stream) => stream);
      expect([...store.claimDraws("presence", FIVE_MIN, window, streams)]).toEqual([]);
      expect(store.streamIndex(STREAM, "ug/m3")).toBeGreaterThanOrEqual(0);
      expect(store.purge("presence", FIVE_MIN, epochMs(window + 1))).toBe(stored);
      store.append(chunk);
      store.close();
    });

    it("notes draws and purges also when what was labelled takes all the room that there is for it", () => {
      const store = make(1_000_000);
      const window = epochMs(Date.UTC(2026, 10, 23));
      const chunk = chunkOf([7], { sensitivity: "presence", window });
      const fill = () => {
        for (let at = 0; at < 100_000; at++) store.append({ ...chunk, window: null, fromMs: monotonicMs(at) });
      };
      expect(fill).toThrow(expect.objectContaining({ code: "LIVE_FULL" }));
      const label = () => {
        for (const { id } of store.unlabelled()) store.relabel(id, [chunk, chunk]);
      };
      expect(label).toThrow(expect.objectContaining({ code: "LIVE_FULL" }));
      const streams = Array.from({ length: 500 }, (_, stream) => stream);
      expect([...store.claimDraws("presence", FIVE_MIN, window, streams)]).toEqual([]);
      expect(store.streamIndex(STREAM, "ug/m3")).toBeGreaterThanOrEqual(0);
      const left = [...store.unlabelled()].length;
      expect(left).toBeGreaterThan(100);
      expect(store.purge("presence", FIVE_MIN, epochMs(window + 1))).toBeGreaterThan(1_000);
      store.append(chunk);
      store.close();
    });

    it("sheds what is too old of people, the oldest first, and gives it back; what is environmental stays", () => {
      const store = open();
      const people = { sensitivity: "presence" } as const;
      const at = (fromMs: number) => ({ fromMs: monotonicMs(fromMs) });
      store.append(chunkOf([1], { ...people, window: null, ...at(1_000) }));
      store.append(chunkOf([2], { ...people, sensitivity: "identifying", window: null, ...at(500) }));
      store.append(chunkOf([3], { window: null, ...at(0) }));
      store.append(chunkOf([4], { ...people, window: null, ...at(2_000) }));
      // With a window of five minutes: its readings may have been waited for until it was over.
      store.append(chunkOf([5], { ...people, ...at(1_000) }));
      store.append(chunkOf([6], { ...people, ...at(0) }));
      expect(values(store.shedPeople(monotonicMs(2_000), 1))).toEqual([2]);
      expect(values(store.shedPeople(monotonicMs(2_000), 10))).toEqual([1]);
      expect(values(store.shedPeople(monotonicMs(300_001), 10))).toEqual([6, 4]);
      expect(values(store.shedPeople(monotonicMs(301_000), 10))).toEqual([]);
      expect(values(store.shedPeople(monotonicMs(301_001), 10))).toEqual([5]);
      expect(values(store.unlabelled())).toEqual([3]);
      store.close();
    });

    it("purges no more chunks at a time than it is told to", () => {
      const store = open();
      for (const value of [1, 2, 3, 4, 5]) store.append(chunkOf([value]));
      const purged = [1, 2, 3, 4].map(() => store.purge("environmental", FIVE_MIN, epochMs(300_000), 2));
      expect(purged).toEqual([2, 2, 1, 0]);
      expect(store.held()).toEqual([]);
      store.close();
    });

    it("refuses what does not fit with LIVE_FULL, keeps what it has, and has room again after a purge", () => {
      const bytesMax = 400_000;
      const store = make(bytesMax);
      const full = chunkOf(new Array(1_000).fill(1));
      let stored = 0;
      const fill = () => {
        for (; stored < 100; stored++) store.append(full);
      };
      expect(fill).toThrow(expect.objectContaining({ code: "LIVE_FULL" }));
      expect(stored).toBeGreaterThan(5);
      expect(store.bytes()).toBeLessThanOrEqual(bytesMax);
      expect(values(store.read(FIVE_MIN, epochMs(0)))).toHaveLength(1_000 * stored);
      expect(store.purge("environmental", FIVE_MIN, epochMs(1))).toBe(stored);
      expect(store.bytes()).toBeLessThan(100_000);
      store.append(full);
      store.close();
    });

    it("agrees with a list of chunks, whatever is done to it", () => {
      fc.assert(
        fc.property(fc.array(operation, { maxLength: 30 }), (operations) => agrees(open(), operations)),
        { numRuns: 60 },
      );
    });
  });
}

const operation = fc.oneof(
  fc.record({
    do: fc.constant("append" as const),
    sensitivity: fc.constantFrom<Sensitivity>(...SENSITIVITIES),
    windowMs: fc.constantFrom(FIVE_MIN, HOUR),
    window: fc.option(fc.integer({ min: 0, max: 3 }), { freq: 3 }),
    records: fc.integer({ min: 1, max: 200 }),
  }),
  fc.record({
    do: fc.constant("purge" as const),
    sensitivity: fc.constantFrom<Sensitivity>(...SENSITIVITIES),
    windowMs: fc.constantFrom(FIVE_MIN, HOUR),
    before: fc.integer({ min: 0, max: 4 }),
  }),
  fc.record({ do: fc.constant("relabel" as const), window: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ do: fc.constant("shed" as const), chunksMax: fc.integer({ min: 0, max: 3 }) }),
);

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Does the same to the store and to a list, and compares what they hold after each step. */
function agrees(store: LiveStore, operations: readonly Operation[]): void {
  let model: LiveChunk[] = [];
  for (const [step, action] of operations.entries()) {
    switch (action.do) {
      case "append": {
        const window = action.window === null ? null : epochMs(action.window * action.windowMs);
        const { sensitivity, windowMs } = action;
        const chunk = chunkOf(new Array(action.records).fill(step), { sensitivity, windowMs, window, fromMs: monotonicMs(1_000 * step) });
        store.append(chunk);
        model.push(chunk);
        break;
      }
      case "purge": {
        const before = action.before * action.windowMs;
        const due = (chunk: LiveChunk) =>
          chunk.sensitivity === action.sensitivity && chunk.windowMs === action.windowMs && chunk.window !== null && chunk.window < before;
        expect(store.purge(action.sensitivity, action.windowMs, epochMs(before))).toBe(model.filter(due).length);
        model = model.filter((chunk) => !due(chunk));
        break;
      }
      case "relabel": {
        const [stored] = [...store.unlabelled()];
        const first = model.findIndex((chunk) => chunk.window === null);
        expect(stored === undefined).toBe(first < 0);
        if (stored === undefined) break;
        const labelled = { ...stored, window: epochMs(action.window * stored.windowMs) };
        store.relabel(stored.id, [labelled]);
        model[first] = { ...(model[first] as LiveChunk), window: labelled.window };
        break;
      }
      case "shed": {
        const waiting = model.filter((chunk) => chunk.window === null);
        const shed = waiting.slice(0, Math.max(0, waiting.length - action.chunksMax));
        expect(store.shedUnlabelled(action.chunksMax)).toBe(shed.reduce((sum, { data }) => sum + data.length / RECORD_BYTES, 0));
        model = model.filter((chunk) => !shed.includes(chunk));
        break;
      }
    }
    expect(holdings(store)).toEqual(model.map(plain).sort(byTime));
  }
  store.close();
}

const plain = ({ sensitivity, windowMs, window, fromMs, toMs, data }: LiveChunk) => ({
  sensitivity,
  windowMs,
  window,
  fromMs,
  toMs,
  data: Buffer.from(data).toString("base64"),
});
const byTime = (a: { fromMs: number }, b: { fromMs: number }) => a.fromMs - b.fromMs;

/** Everything that can be reached through `held`. */
function holdings(store: LiveStore) {
  const windows = new Map(store.held().map((held) => [`${held.windowMs} ${held.window}`, held]));
  const labelled = [...windows.values()].flatMap(({ windowMs, window }) => (window === null ? [] : [...store.read(windowMs, window)]));
  return [...labelled, ...store.unlabelled()].map(plain).sort(byTime);
}
