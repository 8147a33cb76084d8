/** What is to be closed again when a start fails half-way, the last first. */
export class Undo {
  readonly #steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Each is tried: what cannot be closed keeps nothing else open. Why the start failed is what the operator is told. */
  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch {
        // The process ends, or another start meets what was left.
      }
    }
  }
}
