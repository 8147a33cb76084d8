import fc from "fast-check";
import { expect, it } from "vitest";
import { type Link, type LinkEvent, stepLink } from "../../src/core/machine/link.ts";

const code = fc.constantFrom("gone", "permission", "laser");
const event: fc.Arbitrary<LinkEvent> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<LinkEvent>({ type: "start" }) },
  { weight: 5, arbitrary: fc.constant<LinkEvent>({ type: "opened" }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("closed" as const), code, lasting: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("fault" as const), code, retry: fc.constantFrom("reopen" as const, "never" as const) }),
  },
  { weight: 1, arbitrary: fc.constant<LinkEvent>({ type: "ended", code: "ended" }) },
  { weight: 1, arbitrary: fc.constant<LinkEvent>({ type: "reopen" }) },
  { weight: 2, arbitrary: fc.constant<LinkEvent>({ type: "silence" }) },
  { weight: 1, arbitrary: fc.constant<LinkEvent>({ type: "life" }) },
  { weight: 5, arbitrary: fc.constant<LinkEvent>({ type: "retryDue" }) },
);
const context = fc.record({
  onStartFailure: fc.constantFrom("retry" as const, "skip" as const, "fail" as const),
  jitter: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

/** A port as the shell holds it: what the effects, and the events that only a port can cause, make of it. */
class PortModel {
  isOpen = false;
  opens = 0;
  everOpen = false;
  link: Link = { is: "closed" };

  step(event: LinkEvent, settings: { onStartFailure: "retry" | "skip" | "fail"; jitter: number }): readonly string[] {
    // A port that is not held can neither open nor die: those events are of an older one and never reach the machine.
    const isDeath = event.type === "closed" || event.type === "ended";
    if ((event.type === "opened" || isDeath) && !this.isOpen) return [];
    if (event.type === "opened") this.everOpen = true;
    if (isDeath) this.isOpen = false;
    const { link, effects } = stepLink(this.link, event, { ...settings, everOpen: this.everOpen, isPlayed: false });
    this.link = link;
    for (const effect of effects) {
      if (effect.type === "open") {
        expect(this.isOpen).toBe(false);
        this.isOpen = true;
        this.opens++;
      }
      if (effect.type === "close") {
        expect(this.isOpen).toBe(true);
        this.isOpen = false;
      }
      if (effect.type === "retryIn") {
        expect(effect.delayMs).toBeGreaterThan(0);
        expect(effect.delayMs).toBeLessThanOrEqual(60_000);
      }
    }
    return effects.map(({ type }) => type);
  }
}

it("never opens a port that is held, never closes one that is not, and knows which it is", () => {
  fc.assert(
    fc.property(context, fc.array(event, { maxLength: 60, size: "max" }), (settings, events) => {
      const port = new PortModel();
      for (const one of events) {
        const effects = port.step(one, settings);
        expect(port.isOpen).toBe(port.link.is === "open" || port.link.is === "opening");
        // Whoever waits was told how long; whoever was told waits.
        if (effects.includes("retryIn")) expect(port.link.is).toBe("waiting");
        expect(effects.filter((type) => type === "retryIn").length).toBeLessThanOrEqual(1);
      }
    }),
    { numRuns: 150 },
  );
});

it("does nothing after it was stopped, and leaves no port open", () => {
  fc.assert(
    fc.property(context, fc.array(event, { maxLength: 30 }), fc.array(event, { maxLength: 30 }), (settings, before, after) => {
      const port = new PortModel();
      for (const one of before) port.step(one, settings);
      port.step({ type: "stop" }, settings);
      expect(port.isOpen).toBe(false);
      for (const one of [...after, { type: "stop" } as const])
        expect(stepLink(port.link, one, { ...settings, everOpen: true, isPlayed: false }).effects).toEqual([]);
    }),
  );
});

it("is open again after any history, as long as nobody gave it up", () => {
  fc.assert(
    fc.property(context, fc.array(event, { maxLength: 40 }), (settings, events) => {
      const port = new PortModel();
      port.step({ type: "start" }, settings);
      for (const one of events) port.step(one, settings);
      fc.pre(port.link.is !== "given-up");
      port.step({ type: "retryDue" }, settings);
      port.step({ type: "opened" }, settings);
      expect(port.link.is).toBe("open");
    }),
  );
});
