/** Connections that must have broken with a row under way before it is sent alone: a bad line does that too. */
const BREAKS_UNTIL_ALONE = 3;
/** Breaks with nothing else under way until the row is taken for the cause: once may be chance. */
const BREAKS_ALONE_MAX = 2;

/** What is to become of a row that was under way, alone, when its connection ended. */
export type Finding = "innocent" | "guilty";

interface Standing {
  breaks: number;
  alone: number;
}

/**
 * Finds the message that a broker cannot stand. Some brokers close without a word when they do not like one (VerneMQ and aedes on a denied
 * topic: mqttjs/MQTT.js#1974), others say so in a DISCONNECT, which names no message; sent again with all the others, it would end every
 * connection and nothing would ever leave. Rows are known by a number; all statuses share one.
 */
export class Suspects {
  readonly #records = new Map<number, Standing>();

  /** The connection ended with these under way. `blames`: the broker said that one of them is the reason. */
  broke(rows: readonly number[], blames: boolean): Finding {
    for (const row of rows) {
      const record = this.#records.get(row) ?? { breaks: 0, alone: 0 };
      record.breaks = blames ? Math.max(record.breaks + 1, BREAKS_UNTIL_ALONE) : record.breaks + 1;
      if (rows.length === 1) record.alone++;
      this.#records.set(row, record);
    }
    const [only] = rows;
    const isGuilty = rows.length === 1 && only !== undefined && (this.#records.get(only)?.alone ?? 0) >= BREAKS_ALONE_MAX;
    return isGuilty && this.mustBeAlone(only) ? "guilty" : "innocent";
  }

  /** Whether this row is sent only when nothing else is under way, and nothing after it until it is answered. */
  mustBeAlone(row: number): boolean {
    return (this.#records.get(row)?.breaks ?? 0) >= BREAKS_UNTIL_ALONE;
  }

  /** The broker answered: whatever happened, it was not this one. */
  clear(row: number): void {
    this.#records.delete(row);
  }
}
