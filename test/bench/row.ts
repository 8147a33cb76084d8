/** How long a run may take. `quick` is for trying the bench out: fewer repeats, smaller backlog; its figures count for nothing. */
export interface Effort {
  readonly isQuick: boolean;
  /** So many of `full`, or of `quick`. */
  of(full: number, quick: number): number;
  say(text: string): void;
}

/** What a row measured. */
export interface Figure {
  /** With its unit. */
  readonly measured: string;
  /** What it is compared with, measured in the same run; null: it stands alone. */
  readonly baseline: string | null;
  /** measured / baseline, in the sense of the target: `>=` rows are rates, `<=` rows are costs. */
  readonly ratio: number | null;
  readonly isReached: boolean;
  /** Every single measurement and every parameter, for `--json` and for whoever doubts. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** One row of DESIGN §7. */
export interface Row {
  /** For `--only`. */
  readonly name: string;
  readonly what: string;
  readonly reach: string;
  readonly against: string;
  run(effort: Effort): Promise<Figure>;
}
