import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DIRECTIONS, ROAD_USERS } from "../../../src/core/reading/direction.ts";
import { monotonicMs } from "../../../src/core/units/time.ts";
import type { BusEvent } from "../../../src/driver-api/driver.ts";
import { type Answer, formatGolden, type GoldenFile, mergeDiscards, parseGolden, recordingSink } from "../../../src/driver-api/golden.ts";

function parsed(text: string): GoldenFile {
  const result = parseGolden(text);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.file;
}

const EXAMPLE = `# stoep-golden 1
# A line that starts with "#" is a comment
# options {"quantity":"rainfall","perPulse":0.2794}
+0ms open

+120ms < AA C0 D4 04 3A 0A A1 60 1D AB
> reading pm25 123.6
> reading pm10 261.8
+1s < "0R1,Dn=160D\\r\\n"
> discard syntax 13
`;

describe("parseGolden", () => {
  it("reads the example of golden.md", () => {
    const file = parsed(EXAMPLE);
    expect(file.options).toEqual({ quantity: "rainfall", perPulse: 0.2794 });
    expect(file.steps.map(({ line, event }) => [line, event.type, event.atMs])).toEqual([
      [4, "opened", 0],
      [6, "bytes", 120],
      [9, "bytes", 1120],
    ]);
    expect(file.steps[1]?.expected).toEqual([
      { call: "reading", channel: "pm25", value: 123.6, detail: {} },
      { call: "reading", channel: "pm10", value: 261.8, detail: {} },
    ]);
    expect(file.steps[2]).toMatchObject({
      event: { data: new TextEncoder().encode("0R1,Dn=160D\r\n") },
      expected: [{ call: "discard", reason: "syntax", byteCount: 13 }],
    });
  });

  it("reads files that were written with CRLF", () => {
    expect(parsed(EXAMPLE.replaceAll("\n", "\r\n"))).toEqual(parsed(EXAMPLE));
  });

  it("mixes hex and text in one event, with every escape", () => {
    const file = parsed('# stoep-golden 1\n+0ms < 02 "Q,\\"\\\\\\t\\x1f" 03 0d0A "\\r\\n"\n');
    expect(file.steps[0]?.event).toMatchObject({ data: Uint8Array.from([2, 0x51, 0x2c, 0x22, 0x5c, 9, 0x1f, 3, 13, 10, 13, 10]) });
  });

  it("keeps fractions of milliseconds of a time and adds the times up", () => {
    const file = parsed("# stoep-golden 1\n+0.5ms open\n+1.0005s closed gone\n+1m timer ask\n");
    expect(file.steps.map(({ event }) => event.atMs)).toEqual([0.5, 1001, 61_001]);
  });

  it("gives an edge the time of its event in nanoseconds", () => {
    expect(parsed("# stoep-golden 1\n+1.5ms edge line rising\n").steps[0]?.event).toMatchObject({ atNs: 1_500_000n, rising: true });
  });

  it("reads the levels of GPIO lines and the line settings of an opened port, and writes them again", () => {
    const text = "# stoep-golden 1\n+0ms open baud=9600\n+0ms open baud=1200 frame=7E1\n+0ms open a=high b=low c=unknown\n";
    const file = parsed(text);
    expect(formatGolden(file)).toBe(text);
    expect(file.steps.map(({ event }) => event.type === "opened" && event.settings)).toEqual([
      { serial: { baudRate: 9600 } },
      { serial: { baudRate: 1200, dataBits: 7, parity: "even", stopBits: 1 } },
      { lines: { a: { high: true }, b: { high: false }, c: { high: null } } },
    ]);
  });

  it.each([
    ["# golden 1", 1, 1, "the first line must be"],
    ["# stoep-golden 1\nopen", 2, 1, "a line starts with"],
    ["# stoep-golden 1\n+5 open", 2, 2, 'got "5"'],
    ["# stoep-golden 1\n+5ms < A", 2, 8, "two hex digits"],
    ['# stoep-golden 1\n+5ms < "abc', 2, 8, "not closed"],
    ['# stoep-golden 1\n+5ms < "a\\q"', 2, 10, "unknown escape"],
    ['# stoep-golden 1\n+5ms < "é"', 2, 9, "printable ASCII"],
    ["# stoep-golden 1\n+0ms open baud=1200 frame=9X1", 2, 27, 'the frame must be written as 8N1, got "9X1"'],
    ["# stoep-golden 1\n> reading pm25 1", 2, 1, "below its event"],
    ["# stoep-golden 1\n+0ms open\n> reading pm25 high", 3, 16, 'got "high"'],
    ["# stoep-golden 1\n+0ms open\n> reading pm25 1 stale", 3, 18, "nothing is expected here"],
    ["# stoep-golden 1\n+0ms open\n> shout pm25", 3, 3, "the answer must be"],
    ["# stoep-golden 1\n+0ms open\n> discard noise -1", 3, 17, "a whole number"],
    ["# stoep-golden 1\n+0ms open\n> request ask 01", 3, 15, "timeout= is missing"],
    ["# stoep-golden 1\n+0ms open\n# options {}", 3, 1, "before the first event"],
    ["# stoep-golden 1\n# options {", 2, 11, "not JSON"],
    ["# stoep-golden 1\n+0ms noReply ask", 2, 17, "the reason is missing"],
  ])("says where %j is wrong", (text, line, column, message) => {
    const result = parseGolden(text);
    expect(result).toMatchObject({ ok: false, problems: [{ line, column, message: expect.stringContaining(message) }] });
  });

  it("reports every mistake at once", () => {
    const result = parseGolden("# stoep-golden 1\n+x open\n+0ms shut\n> expect soon\n");
    expect(result.ok ? [] : result.problems.map(({ line }) => line)).toEqual([2, 3, 4]);
  });

  it("never throws, whatever the text", () => {
    const line = fc.oneof(
      fc.string(),
      fc.string().map((tail) => `+5ms < ${tail}`),
      fc.string().map((tail) => `> request t timeout=1s ${tail}`),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        expect(typeof parseGolden(["# stoep-golden 1", ...lines].join("\n")).ok).toBe("boolean");
      }),
    );
  });
});

const word = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,8}$/);
const bytes = fc.uint8Array({ maxLength: 20 });
const durationMs = fc.oneof(
  fc.integer({ min: 0, max: 10_000_000 }),
  fc.integer({ min: 0, max: 100_000 }).map((us) => us / 1000),
);
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });
/** Keys whose value is undefined are left out, as the sink leaves them out. */
const compact = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;

const answer = fc.oneof(
  fc
    .record({
      channel: word,
      value: fc.option(number),
      quality: optional(fc.constantFrom("warming", "suspect")),
      coversMs: optional(durationMs),
    })
    .map(({ channel, value, ...detail }) => ({ call: "reading", channel, value, detail: compact(detail) })),
  fc.record({
    channel: word,
    passage: fc
      .record({
        direction: optional(fc.constantFrom(...DIRECTIONS)),
        class: optional(fc.constantFrom(...ROAD_USERS)),
        speedKmh: optional(number),
      })
      .map(compact),
    call: fc.constant("passage"),
  }),
  fc.record({ call: fc.constant("total"), channel: word, value: number, modulus: fc.option(fc.nat()) }),
  fc.record({ call: fc.constant("identity"), channel: word, bytes }),
  fc.record({
    call: fc.constant("request"),
    tag: word,
    timeoutMs: durationMs,
    body: fc.oneof(
      fc.record({ data: bytes }),
      fc.record({ file: fc.constant("/sys/bus/w1/devices/28-0/w1_slave") }),
      fc.record({
        registers: fc.record({
          table: fc.constantFrom("holding", "input", "coil", "discrete"),
          address: fc.nat(65_535),
          count: fc.nat(125),
        }),
      }),
    ),
  }),
  fc.record({ call: fc.constant("write"), data: bytes }),
  fc.record({
    call: fc.constant("reopen"),
    settings: fc.record({
      baudRate: fc.nat(4_000_000),
      dataBits: fc.constantFrom(7, 8),
      parity: fc.constantFrom("none", "even", "odd"),
      stopBits: fc.constantFrom(1, 2),
    }),
  }),
  fc.record({ call: fc.constant("signal"), name: fc.constantFrom("break", "dtr", "rts"), on: fc.boolean() }),
  fc.record({ call: fc.constant("expect"), withinMs: fc.option(durationMs) }),
  fc.record({
    call: fc.constant("about"),
    facts: fc
      .record({ model: optional(fc.string()), firmware: optional(fc.string()), serial: optional(fc.string()), hours: optional(fc.nat()) })
      .map(compact),
  }),
  fc.record({ call: fc.constant("timer"), name: word, afterMs: fc.option(durationMs) }),
  fc.record({ call: fc.constant("discard"), reason: fc.constantFrom("noise", "stale", "unexpected"), byteCount: fc.nat() }),
  fc.record({ call: fc.constant("fault"), code: word, retry: fc.constantFrom("reopen", "never") }),
) as fc.Arbitrary<Answer>;

const event = fc.oneof(
  fc.constant({ type: "opened", settings: { serial: { baudRate: 9600 } } }),
  fc.record({
    type: fc.constant("opened"),
    settings: fc.record({ lines: fc.dictionary(word, fc.record({ high: fc.option(fc.boolean()) }), { minKeys: 1 }) }),
  }),
  fc.record({ type: fc.constant("bytes"), data: bytes }),
  fc.record({ type: fc.constant("edge"), line: word, rising: fc.boolean() }),
  fc.record({ type: fc.constant("reply"), tag: word, data: bytes }),
  fc.record({ type: fc.constant("noReply"), tag: word, reason: fc.constantFrom("timeout", "busy", "exception") }),
  fc.record({ type: fc.constant("noReply"), tag: word, reason: fc.constant("exception"), code: fc.nat(255) }),
  fc.record({ type: fc.constant("timer"), name: word }),
  fc.record({ type: fc.constant("closed"), reason: fc.constant("port gone") }),
) as fc.Arbitrary<BusEvent>;

describe("formatGolden", () => {
  it("writes every event and every answer so that parseGolden reads the same back", () => {
    const steps = fc.array(fc.tuple(event, fc.nat(1_000_000), fc.array(answer, { maxLength: 3 })), { maxLength: 6 });
    fc.assert(
      fc.property(steps, fc.dictionary(word, fc.nat()), (parts, options) => {
        let atMs = 0;
        const file: GoldenFile = {
          options,
          steps: parts.map(([body, sinceMs, expected]) => {
            atMs += sinceMs;
            const timed = { ...body, atMs: monotonicMs(atMs), ...(body.type === "edge" ? { atNs: BigInt(atMs) * 1_000_000n } : {}) };
            return { line: 0, event: timed as BusEvent, expected };
          }),
        };
        const again = parsed(formatGolden(file));
        expect({ ...again, options: { ...(again.options as object) } }).toEqual({
          options: { ...options },
          steps: file.steps.map((step) => ({ ...step, line: expect.any(Number) })),
        });
      }),
      { numRuns: 300 },
    );
  });
});

describe("recordingSink", () => {
  it("copies bytes, since a session may reuse its buffer", () => {
    const answers: Answer[] = [];
    const sink = recordingSink((each) => answers.push(each));
    const data = Uint8Array.of(1, 2);
    sink.write(data);
    sink.request("ask", { data }, 1000);
    sink.identity("devices", data);
    data.fill(0);
    expect(answers).toMatchObject([{ data: Uint8Array.of(1, 2) }, { body: { data: Uint8Array.of(1, 2) } }, { bytes: Uint8Array.of(1, 2) }]);
  });
});

describe("mergeDiscards", () => {
  it("adds up neighbours with the same reason and nothing else", () => {
    const discard = (reason: "noise" | "checksum", byteCount: number): Answer => ({ call: "discard", reason, byteCount });
    expect(mergeDiscards([discard("noise", 1), discard("noise", 2), discard("checksum", 1), discard("noise", 4)])).toEqual([
      discard("noise", 3),
      discard("checksum", 1),
      discard("noise", 4),
    ]);
  });
});
