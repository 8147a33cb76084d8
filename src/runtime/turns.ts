/** Works that never overlap: each finds everything as the one before left it. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Does `work` when everything that was asked for before is over. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.then(
      () => undefined,
      () => undefined, // whoever asked for it is told
    );
    return turn;
  }

  /** Resolves when everything that was asked for is over. */
  async over(): Promise<void> {
    await this.#last;
  }
}
