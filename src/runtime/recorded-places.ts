import { HOUR_MS } from "../core/units/time.ts";

/** Of more places than this within an hour the oldest are written down anew, and what was counted of them is forgotten. */
const PLACES_MAX = 64;

interface Recorded {
  readonly writtenMs: number;
  readonly finding: string;
  repeats: number;
}

/**
 * What has a record of the last hour, so that a link that flaps does not wash older evidence out of its files. A place is an address with
 * the key that answers there; what was found about it is news when it differs. In memory: after a start each place is written down again.
 */
export class RecordedPlaces {
  readonly #places = new Map<string, Recorded>();

  /** Whether this was not written down like this within the last hour. */
  isDue(place: string, finding: string, nowMs: number): boolean {
    const recorded = this.#places.get(place);
    return recorded === undefined || recorded.finding !== finding || nowMs - recorded.writtenMs >= HOUR_MS;
  }

  /** One more of the same. */
  repeat(place: string): void {
    const recorded = this.#places.get(place);
    if (recorded !== undefined) recorded.repeats++;
  }

  /** It is being written down: gives how many more there were since the last time. */
  take(place: string, finding: string, nowMs: number): number {
    const repeats = this.#places.get(place)?.repeats ?? 0;
    this.#places.delete(place);
    this.#places.set(place, { writtenMs: nowMs, finding, repeats: 0 });
    const [oldest] = this.#places.keys();
    if (this.#places.size > PLACES_MAX && oldest !== undefined) this.#places.delete(oldest);
    return repeats;
  }

  /** It could not be written down: it is due, and what there was still counts. */
  giveBack(place: string, count: number): void {
    const { repeats = 0 } = this.#places.get(place) ?? {};
    this.#places.set(place, { writtenMs: Number.NEGATIVE_INFINITY, finding: "", repeats: repeats + count });
  }
}
