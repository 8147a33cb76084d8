/** Line settings of a serial port. */
export interface SerialSettings {
  /** Bits per second. */
  readonly baudRate: number;
  readonly dataBits?: 7 | 8;
  readonly parity?: "none" | "even" | "odd";
  readonly stopBits?: 1 | 2;
}

/** One GPIO line, by its name, or by the label of its chip and its offset there. */
export interface GpioLine {
  readonly line: { readonly name: string } | { readonly chip: string; readonly offset: number };
  readonly edge: "rising" | "falling" | "both";
  readonly pull: "up" | "down" | "none";
  /** Edges closer than this to the one before are bounce: counted, not reported. Milliseconds. */
  readonly debounceMs: number;
}

/** What a session asks of a port that answers questions. On a port of another kind nothing is asked, and that is said at once. */
export type RequestBody =
  | { readonly data: Uint8Array }
  /** Port `modbus`: neighbours of one table. At most 125 registers, or 2,000 coils or discrete inputs. */
  | { readonly registers: { readonly table: "holding" | "input" | "coil" | "discrete"; readonly address: number; readonly count: number } }
  /** Port `file`: name of a file below the configured folder. */
  | { readonly file: string };

/**
 * Why there was no answer. `exception`: refused, by the other side (`code` says why; of a file it is the error number of the system) or
 * because this port takes no such question. `busy`: not asked, try again later.
 */
export type NoReplyReason = "timeout" | "exception" | "busy";

/** How a port was opened, as a session sees it. */
export interface OpenedPort {
  /** Present on a serial port: the settings now in force. */
  readonly serial?: SerialSettings;
  /** Present on a GPIO port: each line by its name in the config, with its level when it was opened (null: unknown). */
  readonly lines?: Readonly<Record<string, { readonly high: boolean | null }>>;
}
