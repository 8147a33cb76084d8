import type { Said } from "./instruments/instrument.ts";

/** One value that was told to the node whole. */
export interface Sample extends Said {
  /** Wall time at which its last byte, or its edge, was given to the line. */
  readonly atMs: number;
}

/** What the street said, stream by stream, in the order of time: all that the oracle knows. */
export class StreetLog {
  readonly #samples = new Map<string, Map<string, Sample[]>>();
  #count = 0;

  add(sensor: string, { channel, steps, cell = "", isSetAside: isDoubtful = false }: Said, atMs: number, isSetAside: boolean): void {
    const channels = this.#samples.get(sensor) ?? new Map<string, Sample[]>();
    this.#samples.set(sensor, channels);
    const known = channels.get(channel) ?? [];
    channels.set(channel, known);
    known.push({ channel, steps, cell, atMs, isSetAside: isSetAside || isDoubtful });
    this.#count++;
  }

  /** How many values were told. */
  get count(): number {
    return this.#count;
  }

  of(sensor: string, channel: string): readonly Sample[] {
    return this.#samples.get(sensor)?.get(channel) ?? [];
  }
}
