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

/** How a port was opened, as a session sees it. */
export interface OpenedPort {
  /** Present on a serial port: the settings now in force. */
  readonly serial?: SerialSettings;
  /** Present on a GPIO port: each line by its name in the config, with its level when it was opened (null: unknown). */
  readonly lines?: Readonly<Record<string, { readonly high: boolean | null }>>;
}
