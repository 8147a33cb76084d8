import { rmSync } from "node:fs";
import { crc32 } from "node:zlib";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it, vi } from "vitest";
import { databaseFiles } from "../../src/adapters/sqlite/database.ts";
import { MINUTE_MS, SECOND_MS } from "../../src/core/units/time.ts";
import { Releases } from "../../src/runtime/releases.ts";
import {
  copyDatabase,
  copyPlace,
  freshPlace,
  type Heard,
  LATENESS_MS,
  Life,
  liveDb,
  nodeDb,
  type Place,
  removePlaces,
  type Spoiled,
  START,
  STEPS,
  type Step,
  WINDOW_MS,
  Witnessed,
} from "../support/mortal-node.ts";

// T7. A node with a noised stream dies at every step of a release, and what it left is tampered with before the next start: node.db is
// deleted, put back from a copy, or cloned to another machine. Under one id and instance there is never more than one text, under one
// id never more than one number, and noise is never drawn a second time for the same readings.

afterAll(removePlaces);

const FIRST_WINDOW = Date.UTC(2026, 10, 23, 10);
const idOf = (window: number): string =>
  `n0042/gate-1.passages/PT1M/${new Date(FIRST_WINDOW + window * WINDOW_MS).toISOString().replace(".000", "")}`;
/** The second window is the one in whose release the node dies. */
const KILL_FROM = FIRST_WINDOW + 2 * WINDOW_MS;
const END = FIRST_WINDOW + 4 * WINDOW_MS + LATENESS_MS + 10 * SECOND_MS;
const monoAt = (wallMs: number): number => wallMs - START + 1_000_000;

/** What happens between two lives. `copies`: of node.db, from before the first release and from between the first and the second. */
type Between = (remains: Place, copies: { readonly before: Place; readonly between: Place }) => void;
const SCENARIOS: Readonly<Record<string, Between>> = {
  "nothing else happens": () => undefined,
  "node.db is deleted": (remains) => {
    for (const file of databaseFiles(nodeDb(remains))) rmSync(file, { force: true });
  },
  "node.db is put back from before the first release": (remains, { before }) => copyDatabase(nodeDb(before), nodeDb(remains)),
  "node.db is put back from before this release": (remains, { between }) => copyDatabase(nodeDb(between), nodeDb(remains)),
};

/** The mark of the stream is of a window before, as one flipped bit can make it; `crc`: what stands beside it. */
const damagedMark =
  (crc: string): Between =>
  (remains) => {
    const db = new Database(nodeDb(remains));
    db.function("crc32_of", (text: unknown) => crc32(String(text)));
    const closedTo = `closed_to_ms - ${WINDOW_MS}`;
    db.exec(`UPDATE mark SET closed_to_ms = ${closedTo}, last_start_ms = NULL, crc = ${crc.replace("CLOSED_TO", `(${closedTo})`)}`);
    db.close();
  };

/** Lives until it dies at `step`, lives on for two windows; gives what was told. */
async function dieAndLiveOn(step: Step, between: Between, spoiled: Spoiled = {}): Promise<Witnessed> {
  const witnessed = new Witnessed();
  const first = new Life(freshPlace(), witnessed, { wallMs: START, monoMs: monoAt(START), step, killFromMs: KILL_FROM, spoiled });
  await first.begin();
  const copies: Place[] = [];
  for (const window of [0, 1]) {
    await first.liveUntil(FIRST_WINDOW + window * WINDOW_MS + 30 * SECOND_MS);
    copies.push(copyPlace(first.place));
  }
  await first.liveUntil(KILL_FROM + MINUTE_MS);
  expect(first.remains, `it died ${step}`).not.toBeNull();
  const remains = first.kill();
  const [before, afterOne] = copies as [Place, Place];
  between(remains, { before, between: afterOne });
  await liveOn(remains, witnessed, first.clock.wallMs() + 2 * SECOND_MS, { spoiled });
  return witnessed;
}

async function liveOn(place: Place, witnessed: Witnessed, wallMs: number, options: Partial<ConstructorParameters<typeof Life>[2]>) {
  const next = new Life(place, witnessed, { ...options, wallMs, monoMs: monoAt(wallMs) });
  await next.begin();
  await next.liveUntil(END);
  expect(next.remains).toBeNull();
  next.kill();
}

/** What is wrong with what was told; empty when the promise is kept. */
function faults({ heard, draws }: Witnessed): readonly string[] {
  const textOf = new Map<string, string>();
  const idOfSeq = new Map<string, string>();
  const numberOf = new Map<string, string>();
  const found = new Set<string>();
  for (const { text, id, instance, seq, cells } of heard) {
    if ((textOf.get(`${instance} ${id}`) ?? text) !== text) found.add("two texts under one id and instance");
    if ((idOfSeq.get(`${instance} ${seq}`) ?? id) !== id) found.add("two ids under one number and instance");
    if (cells !== undefined && (numberOf.get(id) ?? text) !== text) found.add("two numbers under one id");
    textOf.set(`${instance} ${id}`, text);
    idOfSeq.set(`${instance} ${seq}`, id);
    if (cells !== undefined) numberOf.set(id, text);
  }
  if (new Set(draws).size < draws.length) found.add("noise drawn twice for the same readings");
  return [...found];
}

const numbers = (heard: readonly Heard[]): readonly string[] => [...new Set(heard.filter(({ cells }) => cells).map(({ id }) => id))];

/** The node dies while it releases, and its card goes on in another machine, with a copy of live.db or without, and in its own as well. */
async function dieAndGoOnTwice(step: Step, withLive: boolean, spoiled: Spoiled = {}): Promise<{ own: Witnessed; clone: Witnessed }> {
  const own = new Witnessed();
  const first = new Life(freshPlace(), own, { wallMs: START, monoMs: monoAt(START), step, killFromMs: KILL_FROM, spoiled });
  await first.begin();
  await first.liveUntil(KILL_FROM + MINUTE_MS);
  const remains = first.kill();
  const [card, clone] = [freshPlace(), new Witnessed()];
  copyDatabase(nodeDb(remains), nodeDb(card));
  // The worst case: the same boot as well.
  if (withLive) copyDatabase(liveDb(remains), liveDb(card));
  const nextMs = first.clock.wallMs() + 2 * SECOND_MS;
  await liveOn(remains, own, nextMs, { spoiled });
  await liveOn(card, clone, nextMs, { spoiled, machine: "serial 2" });
  return { own, clone };
}

/** Faults of both together; later windows are of two streets, and have a number each. */
function faultsOfTwo({ own, clone }: { readonly own: Witnessed; readonly clone: Witnessed }): readonly string[] {
  const early = ({ id }: Heard): boolean => id === idOf(0) || id === idOf(1);
  const shared = [...own.heard.filter(early), ...clone.heard.filter(early)];
  const together = { heard: shared, draws: [...own.draws, ...clone.draws.filter((draw) => own.draws.slice(0, 2).includes(draw))] };
  const instances = own.heard.filter(({ instance }) => clone.heard.some((other) => other.instance === instance && other.seq > 2));
  return [...new Set([...faults(own), ...faults(clone), ...faults(together), ...(instances.length > 0 ? ["two nodes of one name"] : [])])];
}

/** One life in which writing the second window goes wrong `times` times, before or after it is on the card. */
async function retry(trouble: "full" | "unknown", times: number, spoiled: Spoiled = {}): Promise<Witnessed> {
  const witnessed = new Witnessed();
  const failing = { trouble, times, fromMs: KILL_FROM };
  const life = new Life(freshPlace(), witnessed, { wallMs: START, monoMs: monoAt(START), failing, spoiled });
  await life.begin();
  await life.liveUntil(END);
  life.kill();
  return witnessed;
}

describe("P4: noise is drawn once", () => {
  for (const [what, between] of Object.entries(SCENARIOS)) {
    it.each(STEPS)(`P4: the node dies %s, ${what}`, { timeout: 60_000 }, async (step) => {
      const witnessed = await dieAndLiveOn(step, between);
      expect(faults(witnessed)).toEqual([]);
      // Something was told at all: the first window by the first life, the last one by the second.
      expect(numbers(witnessed.heard)).toEqual(expect.arrayContaining([idOf(0), idOf(3)]));
    });
  }

  it.each([
    ["before the claim", "number"],
    ["after the claim", "unavailable"],
    ["while noise is drawn", "unavailable"],
    ["before the commit", "unavailable"],
    ["after the commit", "number"],
    ["before the purge", "number"],
    ["after the purge", "number"],
  ] as const)("P4: the node dies %s: that window is told as %s, once", async (step, told) => {
    const { heard } = await dieAndLiveOn(step, () => undefined);
    const texts = [...new Set(heard.filter(({ id }) => id === idOf(1)).map(({ text }) => text))];
    expect(texts).toHaveLength(1);
    expect((JSON.parse(texts[0] as string) as Heard).reason ?? "number").toBe(told);
  });

  it.each(STEPS)("P4: the node dies %s, its mark in node.db is damaged: it begins with the next whole window", async (step) => {
    const witnessed = await dieAndLiveOn(step, damagedMark("crc"));
    expect(faults(witnessed)).toEqual([]);
    expect(numbers(witnessed.heard)).toEqual(expect.arrayContaining([idOf(0), idOf(3)]));
    expect(numbers(witnessed.heard)).not.toContain(idOf(2));
  });

  it("P4: what was published and not acknowledged is published again, byte for byte", async () => {
    const { heard } = await dieAndLiveOn("after the publish", () => undefined);
    const texts = heard.filter(({ id }) => id === idOf(1)).map(({ text }) => text);
    expect(texts).toHaveLength(2);
    expect(texts[1]).toBe(texts[0]);
  });

  it.each([false, true])("P4: the card goes on in another machine as well, with live.db: %s", { timeout: 120_000 }, async (withLive) => {
    for (const step of STEPS) {
      const both = await dieAndGoOnTwice(step, withLive);
      expect(faultsOfTwo(both), step).toEqual([]);
      expect(numbers(both.own.heard)).toContain(idOf(3));
      // What waited is sent as it was made; of its own the clone tells windows that began after it did.
      const names = new Set(both.own.heard.map(({ instance }) => instance));
      expect(numbers(both.clone.heard.filter(({ instance }) => !names.has(instance)))).toEqual([idOf(3)]);
    }
  });

  it.each(["full", "unknown"] as const)(
    "P4: writing fails (%s) and is tried again: the value is the one that was drawn",
    async (trouble) => {
      for (const times of [1, 3]) {
        const witnessed = await retry(trouble, times);
        expect(faults(witnessed)).toEqual([]);
        expect(numbers(witnessed.heard)).toEqual([idOf(0), idOf(1), idOf(2), idOf(3)]);
      }
    },
  );
});

describe("the test above", () => {
  it("finds claims that are not heeded", async () => {
    expect(faults(await dieAndLiveOn("before the commit", () => undefined, { claims: true }))).toContain(
      "noise drawn twice for the same readings",
    );
  });

  it("finds a damaged mark that is believed", async () => {
    const believed = damagedMark("crc32_of(stream || ' ' || CLOSED_TO || ' null')");
    expect(faults(await dieAndLiveOn("after the acknowledgement is written", believed))).toContain("two texts under one id and instance");
  });

  it("finds a live.db that is taken whatever node.db is beside it", async () => {
    const putBack = SCENARIOS["node.db is put back from before this release"] as Between;
    expect(faults(await dieAndLiveOn("after the acknowledgement is written", putBack, { binding: true }))).toContain(
      "two texts under one id and instance",
    );
  });

  it("finds a card that keeps its name in another machine", async () => {
    const both = await dieAndGoOnTwice("before the claim", true, { binding: true });
    expect(faultsOfTwo(both)).toEqual(expect.arrayContaining(["two numbers under one id", "two nodes of one name"]));
  });

  it("finds noise that is drawn again when writing is tried again", async () => {
    const real = Releases.prototype.of;
    // Forgets what it made before it is on the card.
    const forgetful = vi.spyOn(Releases.prototype, "of").mockImplementation(function (this: Releases, group) {
      const releases = real.call(this, group);
      this.written(releases);
      return releases;
    });
    try {
      const { heard } = await retry("full", 1);
      expect(numbers(heard), "with claims the number is lost").not.toContain(idOf(1));
      expect(faults(await retry("full", 1, { claims: true }))).toContain("noise drawn twice for the same readings");
    } finally {
      forgetful.mockRestore();
    }
  });
});
