/** Who can be asked about the wall clock of a machine. */
export type WitnessName = "timesyncd" | "chrony" | "kernel" | "rtc";
/** What vouches for the wall clock: a time service on the network, a satellite receiver, a clock with a battery. */
export type Voucher = "synced" | "gps" | "rtc";

/** What one witness says; one that cannot be asked says nothing. */
export interface Testimony {
  readonly witness: WitnessName;
  /** `no`: the wall clock is not synchronised, or, from an RTC, shows another time. */
  readonly says: Voucher | "no";
  /** The most that the wall clock can be wrong by this witness; null when it does not tell. */
  readonly errorMs: number | null;
}

/** Whom the operator's file believes (CONTRACT §5, `time.source`). */
export type TimeSource = "system" | "rtc" | "gps" | "operator";

/** What the witnesses amount to. */
export interface Verdict {
  /** What vouches for the wall clock, or null. */
  readonly by: Voucher | "operator" | null;
  /** How many witnesses say that it is right. */
  readonly witnesses: number;
  /** One says that it is right and another that it is not. */
  readonly isContradicted: boolean;
  readonly errorMs: number | null;
}

export const NO_VERDICT: Verdict = { by: null, witnesses: 0, isContradicted: false, errorMs: null };

/**
 * Weighs the testimonies. Where two can be asked, two must agree: a kernel whose clock was set by hand says `no` (Linux clears its state
 * in `do_settimeofday64`), whatever a time service still believes. An RTC vouches only where the file says so; it may have been
 * set from the very clock that it is asked about, and one with an empty battery contradicts nobody.
 */
export function judge(source: TimeSource, testimonies: readonly Testimony[]): Verdict {
  if (source === "operator") return { ...NO_VERDICT, by: "operator", witnesses: 1 };
  const services = testimonies.filter(({ witness }) => witness !== "rtc");
  const rtc = testimonies.find(({ witness, says }) => witness === "rtc" && says === "rtc");
  const positive = services.filter(({ says }) => says !== "no");
  const isContradicted = positive.length > 0 && positive.length < services.length;
  const witnesses = positive.length + (rtc === undefined ? 0 : 1);
  const errors = positive.flatMap(({ errorMs }) => (errorMs === null ? [] : [errorMs]));
  const agreed = { witnesses, isContradicted: false, errorMs: errors.length === 0 ? null : Math.min(...errors) };
  if (positive.length > 0 && !isContradicted) {
    const isSatellite = positive.some(({ says }) => says === "gps");
    if (source !== "gps" || isSatellite) return { ...agreed, by: isSatellite ? "gps" : "synced" };
  }
  if (source === "rtc" && rtc !== undefined) return { by: "rtc", witnesses, isContradicted: false, errorMs: rtc.errorMs };
  return { ...NO_VERDICT, isContradicted };
}
