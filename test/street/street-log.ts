import type { Said } from "./instruments/instrument.ts";

/** One value that was told to the node whole. */
export interface Sample extends Said {
  /** Wall time at which its last byte, or its edge, was given to the line. */
  readonly atMs: number;
}

/** What the street said, stream by stream, in the order of time: all that the oracle knows. */
export class StreetLog {
  readonly #samples = new Map<string, Sample[]>();
  #count = 0;

  add(sensor: string, one: Said, atMs: number, isSetAside: boolean): void {
    const id = `${sensor}.${one.channel}`;
    const known = this.#samples.get(id) ?? [];
    this.#samples.set(id, known);
    known.push({ ...one, atMs, isSetAside: isSetAside || one.isSetAside === true });
    this.#count++;
  }

  /** How many values were told. */
  get count(): number {
    return this.#count;
  }

  of(id: string): readonly Sample[] {
    return this.#samples.get(id) ?? [];
  }
}
