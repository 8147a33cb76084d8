import type { Dice } from "../../../src/testing/simulation/chance.ts";
import { type Said, said, type Truth, truth } from "./instrument.ts";

/** A change of the level of a line, so long after what it belongs to began. */
interface Move {
  readonly afterMs: number;
  /** The driver's name for the line. */
  readonly line: string;
  readonly high: boolean;
}

/** Something that happens to a contact: the levels that come of it, and what it means once they are through. */
export interface Happening {
  readonly moves: readonly Move[];
  readonly means: readonly Said[];
  /** When the edge comes that tells it. */
  readonly meansAfterMs: number;
}

/** Contacts to ground with a pull-up: closed is low. They are open when the node starts, unless they say otherwise. */
export abstract class Contact {
  abstract readonly driver: string;
  readonly options: object = {};
  readonly streams: object | null = null;
  readonly truths: Readonly<Record<string, Truth>> = {};
  /** As in the config, without the line itself. */
  readonly edge: "falling" | "both" = "falling";
  readonly debounce: string = "50ms";
  readonly lines: readonly string[] = ["line"];
  /** What the level at the opening of the port means: a state that is held from then on. */
  readonly first: Said | null = null;
  /** Of an anemometer: values are made of the closures of so long. */
  readonly intervalMs: number | null = null;
  protected readonly dice: Dice;

  constructor(dice: Dice) {
    this.dice = dice;
  }

  abstract waitMs(): number;

  abstract next(): Happening;

  /** Of an anemometer: what so many closures within an interval mean. */
  ofInterval(_closures: number): readonly Said[] {
    return [];
  }
}

/** Closed for so long, with the bounce of a reed (within 1 ms for some, several for others) at its beginning. */
function closure(forMs: number, bouncesMs: readonly number[], line = "line", afterMs = 0): readonly Move[] {
  const bounces = bouncesMs.flatMap((ms) => [
    { afterMs: afterMs + ms, line, high: true },
    { afterMs: afterMs + ms + 1, line, high: false },
  ]);
  return [{ afterMs, line, high: false }, ...bounces, { afterMs: afterMs + forMs, line, high: true }];
}

/** A tipping bucket, SEN-15901: 0.2794 mm a tip, closed for a moment. In a shower it tips every few seconds. */
export class TippingBucket extends Contact {
  readonly driver = "rain-gauge";
  override readonly options = { mmPerTip: 0.2794 };
  override readonly truths = { rainfall: truth("counter", 4) };

  waitMs(): number {
    return 900 + this.dice.wait(6_000);
  }

  next(): Happening {
    return { moves: closure(25, this.dice.percent(50) ? [3, 9] : []), means: [said("rainfall", 2_794)], meansAfterMs: 0 };
  }
}

/** Pulses of a public lighting cabinet, an S0 output: 1000 for a kWh, 30 ms or longer. */
export class LightingPulses extends Contact {
  readonly driver = "pulse-counter";
  override readonly options = { quantity: "street_lighting_energy", perPulse: 0.001 };
  override readonly debounce = "10ms";
  override readonly truths = { street_lighting_energy: truth("counter", 3) };

  waitMs(): number {
    return 500 + this.dice.wait(3_000);
  }

  next(): Happening {
    return { moves: closure(40, []), means: [said("street_lighting_energy", 1)], meansAfterMs: 0 };
  }
}

/** A gate that closes a contact for each person. */
export class PeopleGate extends Contact {
  readonly driver = "pulse-counter";
  override readonly options = { quantity: "entries", perPulse: 1 };
  override readonly streams: object;

  constructor(dice: Dice, streams: object) {
    super(dice);
    this.streams = streams;
  }

  waitMs(): number {
    return 800 + this.dice.wait(8_000);
  }

  next(): Happening {
    return { moves: closure(120, [2, 30]), means: [said("entries", 1)], meansAfterMs: 0 };
  }
}

/** A cup anemometer, SEN-15901: one closure a second is 2.4 km/h, which is 0.6667 m/s. The wind rises and falls. */
export class CupAnemometer extends Contact {
  readonly driver = "anemometer";
  override readonly options = { metresPerPulse: 0.6667 };
  override readonly debounce = "2ms";
  override readonly truths = { wind_speed: truth("gauge", 2) };
  override readonly intervalMs = 3_000;
  #periodMs = 400;

  waitMs(): number {
    if (this.dice.percent(5)) this.#periodMs = this.dice.pick([60, 150, 400, 1_100, 2_500]);
    return this.#periodMs + this.dice.below(50);
  }

  next(): Happening {
    return { moves: closure(8, []), means: [], meansAfterMs: 0 };
  }

  /** Hundredths of a metre per second: 66.67 for each closure, through 3 s. */
  override ofInterval(closures: number): readonly Said[] {
    return [said("wind_speed", Math.round((closures * 6_667) / 300))];
  }
}

/** A door of a cabinet. The switch is closed to ground while the door is closed; at its ends it bounces. */
export class CabinetDoor extends Contact {
  readonly driver = "contact";
  override readonly options: object;
  override readonly edge = "both";
  override readonly truths: Readonly<Record<string, Truth>>;
  override readonly first: Said;
  readonly #channel: string;
  readonly #meanMs: number;
  /** A line that is high. */
  #isHigh = true;
  readonly #highState: number;

  /** `highState`: which of the two states a high level is. */
  constructor(
    dice: Dice,
    { quantity, states, highState, meanMs }: { quantity: string; states: readonly string[]; highState: 0 | 1; meanMs: number },
  ) {
    super(dice);
    this.options = { quantity, activeHigh: highState === 1 };
    this.#channel = quantity;
    this.#highState = highState;
    this.#meanMs = meanMs;
    this.truths = { [quantity]: { kind: "state", scale: 0, decimals: 4, states } };
    this.first = said(quantity, highState);
  }

  waitMs(): number {
    return 2_000 + this.dice.wait(this.#meanMs);
  }

  next(): Happening {
    this.#isHigh = !this.#isHigh;
    const high = this.#isHigh;
    const moves = [0, 4, 8].map((afterMs) => ({ afterMs, line: "line", high: afterMs === 4 ? !high : high }));
    return { moves, means: [said(this.#channel, high ? this.#highState : 1 - this.#highState)], meansAfterMs: 0 };
  }
}

/** Two loops in a cycle path, each with a relay that closes for 50 to 200 ms: over the first and then the second is towards the sensor. */
export class CyclePath extends Contact {
  readonly driver = "bicycle-loop";
  override readonly debounce = "0ms";
  override readonly lines = ["first", "second"];
  override readonly streams: object;

  constructor(dice: Dice, streams: object) {
    super(dice);
    this.streams = streams;
  }

  waitMs(): number {
    return 2_500 + this.dice.wait(9_000);
  }

  next(): Happening {
    const isTowards = this.dice.percent(60);
    const [one = "", other = ""] = isTowards ? this.lines : this.lines.toReversed();
    const afterMs = this.dice.between(200, 900);
    const moves = [...closure(this.dice.between(50, 150), [], one), ...closure(this.dice.between(50, 150), [], other, afterMs)];
    return { moves, means: [{ channel: "passages", steps: 1, cell: isTowards ? "towards" : "away" }], meansAfterMs: afterMs };
  }
}

/** A contact of people that no stream is made of: a motion sensor, a parking bay, a household's meter. Whatever it does, it is withheld. */
export class WithheldContact extends Contact {
  readonly driver: string;
  override readonly options: object;
  override readonly edge: "falling" | "both";
  override readonly streams: object;

  constructor(dice: Dice, driver: string, { options = {}, edge, stream }: { options?: object; edge: "falling" | "both"; stream: string }) {
    super(dice);
    this.driver = driver;
    this.options = options;
    this.edge = edge;
    this.streams = { [stream]: { policy: "withheld" } };
  }

  waitMs(): number {
    return 1_000 + this.dice.wait(15_000);
  }

  next(): Happening {
    return { moves: closure(400, []), means: [], meansAfterMs: 0 };
  }
}
