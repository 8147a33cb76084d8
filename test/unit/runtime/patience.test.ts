import { expect, it } from "vitest";
import { Patience } from "../../../src/runtime/patience.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

const JITTER = 0.999_999;

/** Asks every second, and gives the seconds at which work was tried. */
async function triedAt(clock: VirtualClock, patience: Patience, seconds: number, work: () => boolean): Promise<readonly number[]> {
  const times: number[] = [];
  for (let second = 0; second < seconds; second++) {
    await patience.try(async () => {
      times.push(second);
      return work();
    });
    await clock.advance(1_000);
  }
  return times;
}

function patient(): { readonly clock: VirtualClock; readonly patience: Patience } {
  const clock = new VirtualClock();
  return { clock, patience: new Patience({ clock, crypto: { jitter: () => JITTER } }, { firstMs: 1_000, longestMs: 8_000 }) };
}

it("tries what fails again, later and later", async () => {
  const { clock, patience } = patient();
  expect(await triedAt(clock, patience, 40, () => false)).toEqual([0, 1, 3, 7, 15, 23, 31, 39]);
});

it("tries what goes well whenever it is asked, also after failures", async () => {
  const { clock, patience } = patient();
  const wellFromMs = clock.monotonicMs() + 3_000;
  expect(await triedAt(clock, patience, 8, () => clock.monotonicMs() >= wellFromMs)).toEqual([0, 1, 3, 4, 5, 6, 7]);
  expect(await patience.try(async () => false)).toBe(false);
  expect(await patience.try(() => expect.fail("it is too early"))).toBe(false);
});
