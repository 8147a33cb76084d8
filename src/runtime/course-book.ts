import type { StreamId } from "../core/units/ids.ts";
import { type Course, LOST, STRAIGHT } from "../core/window/course.ts";
import type { Crypto } from "../ports/crypto.ts";

const CHECKSUM_DIGITS = 8;

/** What streams passed over, as it is on the card. It is written in the transaction that moves the marks it belongs to, and only then. */
export class CourseBook {
  readonly #crypto: Pick<Crypto, "sha256">;
  #courses: Map<StreamId, Course>;
  #isDamaged = false;

  /** `text`: what `COURSES_FACT` holds, or null. */
  constructor(crypto: Pick<Crypto, "sha256">, text: string | null) {
    this.#crypto = crypto;
    this.#courses = this.#read(text);
  }

  /** The text could not be read: it is not known what was released. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  reload(text: string | null): void {
    this.#courses = this.#read(text);
  }

  of(id: StreamId): Course {
    return this.#isDamaged ? LOST : (this.#courses.get(id) ?? STRAIGHT);
  }

  /** The text that holds these as well; null when it is the same as before. */
  with(changed: Iterable<readonly [StreamId, Course]>): string | null {
    const next = new Map(this.#courses);
    for (const [id, course] of changed) {
      if (course.until === null && course.free.length === 0) next.delete(id);
      else next.set(id, course);
    }
    const isSame = next.size === this.#courses.size && [...next].every(([id, course]) => this.#courses.get(id) === course);
    if (isSame) return null;
    const json = JSON.stringify([...next]);
    return `${this.#checksum(json)} ${json}`;
  }

  #read(text: string | null): Map<StreamId, Course> {
    const json = text?.slice(CHECKSUM_DIGITS + 1) ?? "[]";
    this.#isDamaged = text !== null && text !== `${this.#checksum(json)} ${json}`;
    return new Map(this.#isDamaged ? [] : (JSON.parse(json) as [StreamId, Course][]));
  }

  #checksum(json: string): string {
    return this.#crypto.sha256(json).slice(0, CHECKSUM_DIGITS);
  }
}
