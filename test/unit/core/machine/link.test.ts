import { describe, expect, it } from "vitest";
import { type Link, type LinkContext, type LinkEvent, stepLink } from "../../../../src/core/machine/link.ts";

const CONTEXT: LinkContext = { onStartFailure: "retry", everOpen: true, isPlayed: false, jitter: 0.999_999 };
const OPEN: Link = { is: "open", alive: true };
const opening = (attempt: number, code: string | null = null): Link => ({ is: "opening", attempt, code });
const closed = (code: string, lasting = false): LinkEvent => ({ type: "closed", code, lasting });

/** Runs events from a state; answers with the last state and all effects. */
function run(from: Link, events: readonly LinkEvent[], context: LinkContext = CONTEXT) {
  let link = from;
  const effects = events.flatMap((event) => {
    const step = stepLink(link, event, context);
    link = step.link;
    return step.effects;
  });
  return { link, effects };
}

describe("a link", () => {
  it("opens at start and is alive", () => {
    expect(run({ is: "closed" }, [{ type: "start" }, { type: "opened" }])).toEqual({ link: OPEN, effects: [{ type: "open" }] });
  });

  it("tries again after 0.5 s, 1 s, 2 s and so on up to 10 s when a port is not there", () => {
    const waits: number[] = [];
    let link = opening(0);
    for (let attempt = 0; attempt < 7; attempt++) {
      const step = stepLink(link, closed("gone"), CONTEXT);
      for (const effect of step.effects) if (effect.type === "retryIn") waits.push(effect.delayMs);
      link = stepLink(step.link, { type: "retryDue" }, CONTEXT).link;
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it("is in no hurry when the trouble needs a person", () => {
    expect(run(OPEN, [closed("permission", true)]).effects).toEqual([{ type: "retryIn", delayMs: 5_000 }]);
    expect(run(opening(5), [closed("permission", true)]).effects).toEqual([{ type: "retryIn", delayMs: 60_000 }]);
  });

  it("starts counting anew when it was open", () => {
    expect(run(opening(6, "gone"), [{ type: "opened" }, closed("gone")]).effects).toEqual([{ type: "retryIn", delayMs: 500 }]);
  });

  it("closes and opens for other settings", () => {
    expect(run(OPEN, [{ type: "reopen" }])).toEqual({
      link: opening(0),
      effects: [{ type: "close", reason: "settings" }, { type: "open" }],
    });
  });

  it("closes on a fault, and comes back or not as the driver says", () => {
    expect(run(OPEN, [{ type: "fault", code: "laser", retry: "reopen" }])).toEqual({
      link: { is: "waiting", attempt: 1, code: "laser" },
      effects: [
        { type: "close", reason: "fault" },
        { type: "retryIn", delayMs: 5_000 },
      ],
    });
    expect(run(OPEN, [{ type: "fault", code: "laser", retry: "never" }])).toEqual({
      link: { is: "given-up", code: "laser" },
      effects: [{ type: "close", reason: "fault" }],
    });
  });

  it("reopens a silent port at once, then every few seconds, and is alive when life is shown", () => {
    const first = run(OPEN, [{ type: "silence" }]);
    expect(first.effects).toEqual([
      { type: "close", reason: "silent" },
      { type: "retryIn", delayMs: 500 },
    ]);
    const again = run(first.link, [{ type: "retryDue" }, { type: "opened" }]);
    expect(again.link).toEqual({ is: "open", alive: false });
    expect(run(again.link, [{ type: "silence" }]).effects.at(-1)).toEqual({ type: "retryIn", delayMs: 4_000 });
    expect(run(again.link, [{ type: "life" }]).link).toEqual(OPEN);
  });

  it.each([
    ["retry", { is: "waiting", attempt: 1, code: "gone" }, [{ type: "retryIn", delayMs: 500 }]],
    ["skip", { is: "given-up", code: "gone" }, []],
    ["fail", { is: "given-up", code: "gone" }, [{ type: "failNode", code: "gone" }]],
  ] as const)("with onStartFailure %s does so only before it was ever open", (onStartFailure, link, effects) => {
    expect(run(opening(0), [closed("gone")], { ...CONTEXT, onStartFailure, everOpen: false })).toEqual({ link, effects });
    expect(run(OPEN, [closed("gone")], { ...CONTEXT, onStartFailure }).link).toEqual({ is: "waiting", attempt: 1, code: "gone" });
  });

  it("is given up when there is nothing more to come", () => {
    for (const from of [OPEN, opening(0)]) {
      expect(run(from, [{ type: "ended", code: "ended" }, { type: "retryDue" }, { type: "opened" }])).toEqual({
        link: { is: "given-up", code: "ended" },
        effects: [],
      });
    }
  });

  it("leaves a capture that is silent where it is: there is no plug, and it would be played anew", () => {
    const context: LinkContext = { ...CONTEXT, isPlayed: true };
    expect(run(OPEN, [{ type: "silence" }, { type: "silence" }], context)).toEqual({ link: { is: "open", alive: false }, effects: [] });
    expect(run(OPEN, [{ type: "silence" }, { type: "life" }], context).link).toEqual({ is: "open", alive: true });
  });

  it("leaves a capture at its settings: it would be played from its beginning, again and again", () => {
    expect(run(OPEN, [{ type: "reopen" }], { ...CONTEXT, isPlayed: true })).toEqual({ link: OPEN, effects: [] });
    expect(run(OPEN, [{ type: "reopen" }]).link.is, "and a port is opened anew").toBe("opening");
  });

  it("never fails the node for a silence", () => {
    const context: LinkContext = { onStartFailure: "fail", everOpen: false, isPlayed: false, jitter: 0 };
    expect(run(OPEN, [{ type: "silence" }], context).link.is).toBe("waiting");
  });
});
