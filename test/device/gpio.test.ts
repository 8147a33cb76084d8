import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { LocalSensor, LocalStatus } from "../../src/runtime/status.ts";
import { type SummaryDocument, summariesOf } from "../support/summaries.ts";
import { LAB_OF_THIS_RUN, type LabOfThisRun, type Results, runGuest } from "./guest.ts";
import { bounce, every, lowPulse, type Move, readDriven, script, wave } from "./movements.ts";

// One boot for each backend. The guest moves lines and writes down what the node published; the tests read it.

const ROOT = resolve(import.meta.dirname, "../..");
const WINDOW_S = 10;
const BUCKET = 17;
const CUPS = 22;
const DOOR = 27;
const [LOOP_FIRST, LOOP_SECOND] = [5, 6];
const BURST_LINES = [8, 9, 10, 11, 12, 13, 14, 15];
const EXPANDER_LINE = 3;
const MM_PER_TIP = 0.2794;
/** What an edge of a burst line is worth: the sum of a stream, divided by it, is the number of edges that were counted. */
const PER_EDGE = 0.001;

const TIPS = 6;
const TIP_EVERY_MS = 1_400;
const TIP_LASTS_MS = 120;
const BOUNCES = 4;
const CLOSURES = 85;
const CLOSURE_EVERY_MS = 100;
const PASSAGES = 13;
const PASSAGE_EVERY_MS = 600;
const [OPENS_AT_MS, SHUTS_AT_MS] = [2_000, 6_000];
const BURST_EDGES = 8_000;
const BURST_PER_SECOND = 1_000;
const FEW = 5;

const pulse = (line: number, atMs: number): readonly Move[] => [
  { atMs, line, high: true },
  { atMs: atMs + 20, line, high: false },
];
const tip = (atMs: number): readonly Move[] => [
  ...bounce(BUCKET, atMs, false, BOUNCES),
  ...bounce(BUCKET, atMs + TIP_LASTS_MS, true, BOUNCES),
];
const passage = (atMs: number): readonly Move[] => [...lowPulse(LOOP_FIRST, atMs, 60), ...lowPulse(LOOP_SECOND, atMs + 150, 60)];

/** A while in a street, with contacts that bounce. */
const STREET = script(
  every(TIP_EVERY_MS, TIPS, tip),
  every(CLOSURE_EVERY_MS, CLOSURES, (atMs) => lowPulse(CUPS, atMs, 40)),
  every(PASSAGE_EVERY_MS, PASSAGES, passage),
  bounce(DOOR, OPENS_AT_MS, true, 2 * BOUNCES),
  bounce(DOOR, SHUTS_AT_MS, false, 2 * BOUNCES),
);
/** After something was broken: a few tips, and a few edges of every other line. */
const A_FEW = script(every(300, FEW, tip), ...BURST_LINES.map((line) => every(100, FEW, (atMs) => pulse(line, atMs))));
/** Every line goes away from where it rests and back, so that whoever watches it is told something. */
const wake = (lines: readonly number[], restsHigh: boolean): string =>
  script(
    ...lines.map((line) => [
      { atMs: 0, line, high: !restsHigh },
      { atMs: 200, line, high: restsHigh },
    ]),
  );
const REST_HIGH = [BUCKET, CUPS, LOOP_FIRST, LOOP_SECOND];
/** Contacts to ground with a pull-up are high when nothing happens. */
const REST = script(REST_HIGH.map((line) => ({ atMs: 0, line, high: true })));

const NODE_YAML = `
stoep: 1
node: { id: n0042, purpose: a test }
broker: { url: mqtt://127.0.0.1:1883, prefix: city/test, spread: 0s }
window: ${WINDOW_S}s
time: { source: operator }
storage: { directory: /run/state, live: /run/live }
sensors:
  rain-1:
    driver: rain-gauge
    gpio: { line: GPIO${BUCKET}, edge: falling, debounce: 50ms }
    options: { mmPerTip: ${MM_PER_TIP} }
    streams: { rainfall: { lateness: 1s } }
  wind-1:
    driver: anemometer
    gpio: { line: GPIO${CUPS}, edge: falling, debounce: 5ms }
    streams: { wind_speed: { lateness: 1s } }
  door-1:
    driver: contact
    gpio: { line: GPIO${DOOR}, edge: both, debounce: 50ms }
    options: { quantity: cabinet_door }
    streams: { cabinet_door: { lateness: 1s } }
  path-1:
    driver: bicycle-loop
    gpio:
      lines:
        first: { line: GPIO${LOOP_FIRST}, edge: falling, debounce: 10ms }
        second: { line: GPIO${LOOP_SECOND}, edge: falling, debounce: 10ms }
    options: { holdOffMs: 200 }
    streams: { passages: { policy: minimum-count, k: 10, window: 5m, lateness: 1s } }
${BURST_LINES.map(
  (line) => `  burst-${line}:
    driver: pulse-counter
    gpio: { line: GPIO${line}, edge: both }
    options: { quantity: rainfall, perPulse: ${PER_EDGE} }
    streams: { rainfall: { lateness: 1s } }`,
).join("\n")}
  expander-1:
    driver: pulse-counter
    gpio: { chip: expander, line: ${EXPANDER_LINE}, edge: rising }
    options: { quantity: rainfall, perPulse: ${PER_EDGE} }
    streams: { rainfall: { lateness: 1s } }
`;

const settings = (backend: string, tools: string): string =>
  Object.entries({ BACKEND: backend, TOOLS: tools, WINDOW_S, NODE: process.execPath, STOEP: join(ROOT, "dist/src/cli/main.js") })
    .map(([name, value]) => `${name}='${value}'\n`)
    .join("");

const filesFor = (backend: string, tools: string) => ({
  "scenario.sh": readFileSync(join(import.meta.dirname, "scenario.sh"), "utf8"),
  "settings.sh": settings(backend, tools),
  "node.yaml": NODE_YAML,
  lines: [BUCKET, CUPS, DOOR, LOOP_FIRST, LOOP_SECOND, ...BURST_LINES].join("\n"),
  rest: REST,
  street: STREET,
  burst: script(wave(BURST_LINES, BURST_EDGES, BURST_PER_SECOND)),
  pulses: script(every(100, FEW, (atMs) => pulse(EXPANDER_LINE, atMs))),
  "after-kill": A_FEW,
  "after-restart": A_FEW,
  "after-crash": A_FEW,
  wake: wake(REST_HIGH, true) + wake([DOOR, ...BURST_LINES], false),
  "wake-expander": wake([EXPANDER_LINE], false),
});

const found = JSON.parse(process.env[LAB_OF_THIS_RUN] ?? "null") as LabOfThisRun;
const { lab, why: noLab } = found.lab;
const BACKENDS = [
  { backend: "gpiomon-1", says: /libgpiod\) v1\.6/, ...found.bookworm },
  { backend: "gpiomon-2", says: /libgpiod\) v2\./, ...found.trixie },
  { backend: "onoff", says: /gpiomon is not installed; sysfs has .*pinctrl-bcm2711 from \d+/, path: "", why: noLab },
];

/** The guests of all backends run at once: their time is their own. */
const guests = new Map<string, Promise<Results>>();
beforeAll(() => {
  for (const { backend, path, why } of BACKENDS) {
    if (lab === null || why !== "") continue;
    const guest = runGuest(lab, filesFor(backend, path));
    // What goes wrong is told where it is waited for.
    guest.catch(() => {});
    guests.set(backend, guest);
  }
});

/** The share of a window in which a door was open; `stats` of a state hold a map where those of others hold numbers. */
const shareOpen = (stats: SummaryDocument["stats"]): number => (stats?.share as { readonly open?: number } | undefined)?.open ?? 0;

describe.each(BACKENDS)("a node on real GPIO lines by $backend", ({ backend, says, why }) => {
  const isStamped = backend !== "onoff";
  let seen: Results = new Map();

  beforeAll(async () => {
    seen = (await guests.get(backend)) ?? seen;
    if (process.env.STOEP_LAB_SHOW) for (const [name, content] of seen) console.log(`--- ${backend} ${name}\n${content}`);
  });

  const text = (name: string): string => seen.get(name) ?? `nothing called ${name} was left; the console said:\n${seen.get("console")}`;
  const log = (event: string): readonly Record<string, unknown>[] =>
    text("node-log")
      .split("\n")
      .filter((line) => line.includes(`"${event}"`))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  /** The summaries of a stream whose windows began in a phase. */
  const summaries = (stream: string, phase?: string): readonly SummaryDocument[] => {
    const messages = text("messages")
      .split("\n")
      .flatMap((line) => {
        const [topic, payload] = line.split("\t");
        return topic === undefined || payload === undefined ? [] : [{ topic, payload: Buffer.from(payload) }];
      });
    const all = summariesOf(messages, stream);
    if (phase === undefined) return all;
    const phases = [...text("phases").matchAll(/^(\S+) (\d+)$/gm)].map(([, name, at]) => ({ name, atMs: Number(at) * 1_000 }));
    const index = phases.findIndex(({ name }) => name === phase);
    const [from, to] = [phases[index], phases[index + 1]];
    if (from === undefined || to === undefined) throw new Error(`there is no phase ${phase}: ${text("phases")}${text("console")}`);
    return all.filter(({ window: { start } }) => from.atMs <= Date.parse(start) && Date.parse(start) < to.atMs);
  };
  const total = (stream: string, phase: string, statistic = "sum"): number =>
    summaries(stream, phase).reduce((sum, { stats }) => sum + (stats?.[statistic] ?? 0), 0);
  const edges = (stream: string, phase: string): number => Math.round(total(stream, phase) / PER_EDGE);
  const sensor = (id: string, moment: string): LocalSensor => {
    const local = (JSON.parse(text(`status-${moment}`)) as LocalStatus).sensors[id];
    if (local === undefined) throw new Error(`the status knows no ${id}`);
    return local;
  };
  const counters = (id: string, moment: string) => {
    const { counters: numbers } = sensor(id, moment);
    if (numbers === null) throw new Error(`${id} tells no counters`);
    return numbers;
  };
  const shown = (name: string, fact: string): void => console.log(`${backend}: ${name}: ${fact}`);
  /** With stamps every tip is counted once. Without, bounce that is looked at late can be another tip: that is what the node warns of. */
  const expectTips = (phase: string, count: number): void => {
    const counted = Math.round(total("rain-1.rainfall", phase) / MM_PER_TIP);
    shown(phase, `${counted} of ${count} tips`);
    if (isStamped) expect(counted).toBe(count);
    expect(counted).toBeGreaterThanOrEqual(count);
    expect(counted).toBeLessThanOrEqual(1.5 * count);
  };
  const expectFew = (phase: string, move: string): void => {
    expect(readDriven(text(`driven-${move}`)).moves).toBeGreaterThan(0);
    expectTips(phase, FEW);
    const counted = BURST_LINES.map((line) => edges(`burst-${line}.rainfall`, phase));
    if (isStamped) expect(counted).toEqual(BURST_LINES.map(() => 2 * FEW));
    for (const count of counted) expect(count).toBeGreaterThan(FEW);
  };
  const test = it.skipIf(why !== "");
  const because = why === "" ? "" : ` (skipped: ${why})`;

  test(`says which backend it is, and on which chips${because}`, () => {
    expect(text("phases"), text("console") + text("log")).toContain("end ");
    expect(log("GpioBackend")[0]).toMatchObject({ backend, detail: expect.stringMatching(says) });
    // Bases begin high up: a number that somebody read in a table of 2015 would be another line, or none.
    for (const base of text("bases").trim().split("\n")) expect(Number(base)).toBeGreaterThan(0);
  });

  it.skipIf(why !== "" || isStamped)("warns of what it cannot promise, with the remedy", () => {
    expect(log("GpioLimited")[0]).toMatchObject({
      backend,
      limits: expect.stringContaining("lost unseen"),
      remedy: expect.stringContaining("gpiod"),
    });
  });

  it.skipIf(why !== "" || !isStamped)("warns of nothing", () => {
    expect(log("GpioLimited")).toEqual([]);
  });

  test("counts each tip of a bucket once, however the contact bounces, and counts what it rejected", () => {
    expectTips("street", TIPS);
    const { ignoredEdges, edges: told } = counters("rain-1", "street");
    shown("tips", `${TIPS} tips, ${told} edges told, ${ignoredEdges} rejected as bounce`);
    // A tip closes and opens, and bounces both times; its closing is told.
    if (isStamped) expect({ told, ignoredEdges }).toEqual({ told: TIPS, ignoredEdges: 2 * TIPS * 2 * BOUNCES });
    // What onoff did not see cannot be rejected.
    else expect(ignoredEdges).toBeGreaterThan(0);
  });

  test("sees a door open and shut once each, for as long as it was open", () => {
    expect(total("door-1.cabinet_door", "street", "transitions")).toBe(2);
    const openMs = summaries("door-1.cabinet_door", "street").reduce((sum, { stats }) => sum + shareOpen(stats) * WINDOW_S * 1_000, 0);
    expect(Math.abs(openMs - (SHUTS_AT_MS - OPENS_AT_MS))).toBeLessThan(100);
  });

  test("reads the wind off the cups", () => {
    const highest = Math.max(...summaries("wind-1.wind_speed", "street").map(({ stats }) => stats?.max ?? 0));
    // SEN-15901: 0.6667 m/s for a closure a second; a pulse more or less in three seconds.
    const mps = (0.6667 * 1_000) / CLOSURE_EVERY_MS;
    expect(Math.abs(highest - mps)).toBeLessThan(2 * (0.6667 / 3));
  });

  test("works the two loops of a cycle path, and tells nobody how many there were before their window is over", () => {
    // A window of people lasts five minutes and more, and the first of a new store is not released: longer than this street.
    expect(sensor("path-1", "street")).toEqual({ state: "ok", trouble: null, driver: "bicycle-loop", balanced: true, counters: null });
    expect(summaries("path-1.passages")).toEqual([]);
    expect(log("PrivacyWithheld")).toEqual([]);
  });

  test(`counts 1,000 edges a second over 8 lines${isStamped ? ", and loses none" : " as far as it sees them"}`, () => {
    const driven = readDriven(text("driven-burst"));
    const counted = BURST_LINES.map((line) => edges(`burst-${line}.rainfall`, "burst"));
    const sum = counted.reduce((all, count) => all + count, 0);
    shown("burst", `${driven.moves} edges in ${driven.seconds.toFixed(2)} s, ${driven.perSecond} a second; ${sum} counted`);
    expect(driven.moves).toBe(BURST_EDGES);
    expect(driven.perSecond).toBeGreaterThan(0.99 * BURST_PER_SECOND);
    if (isStamped) expect(counted).toEqual(BURST_LINES.map(() => BURST_EDGES / BURST_LINES.length));
    else expect(sum).toBeLessThanOrEqual(BURST_EDGES);
    for (const line of BURST_LINES) expect(sensor(`burst-${line}`, "burst").balanced).toBe(true);
  });

  test("says that a chip is gone, takes it up again when it is back, and says that edges may be missing", () => {
    expect(sensor("expander-1", "unplugged")).toMatchObject({ state: "fault", trouble: "gone" });
    expect(log("SensorClosed").find(({ sensor: id }) => id === "expander-1")).toMatchObject({
      code: "gone",
      remedy: expect.stringMatching(/plugged in/),
    });
    expect(sensor("expander-1", "plugged")).toMatchObject({ state: "ok", trouble: null });
    expect(counters("expander-1", "plugged").lostEdges).toBeGreaterThan(0);
    expect(edges("expander-1.rainfall", "plugged")).toBe(FEW);
    // Nobody else noticed.
    expect(counters("rain-1", "plugged")).toMatchObject({ opened: 1, lostEdges: 0 });
  });

  it.skipIf(why !== "" || !isStamped)("starts gpiomon again when it is killed, with a gap that is counted", () => {
    expect(Number(text("monitors"))).toBeGreaterThanOrEqual(BURST_LINES.length);
    for (const id of ["rain-1", "wind-1", "door-1"])
      expect(counters(id, "killed")).toMatchObject({ lostEdges: counters(id, "plugged").lostEdges + 1, opened: 2 });
    expect(sensor("path-1", "killed")).toMatchObject({ state: "ok", trouble: null });
    expectFew("killed", "after-kill");
  });

  test("stops at once, and starts on the same lines", () => {
    expect(text("stop-exit").trim()).toBe("0");
    expect(sensor("path-1", "restarted")).toMatchObject({ state: "ok", trouble: null });
    expectFew("restarted", "after-restart");
  });

  test("comes back on the same lines after it was killed", () => {
    if (isStamped) expect(sensor("rain-1", "crashing")).toMatchObject({ state: "fault", trouble: "busy" });
    expectFew("crashed", "after-crash");
  });
});
