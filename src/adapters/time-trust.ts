/** Who vouches for the wall clock: the subset of `Clock.wallTrust` that this machine's services can tell apart. */
export type Vouched = "synced" | "gps" | null;

/** How much earlier than the boot a flag may seem to be: the clock is slewed while the boot is computed backwards. */
const BOOT_SLACK_MS = 60_000;

/** Reference id of chrony's own clock (`local` in chrony.conf): synchronised to nothing. 127.127.1.1 */
const CHRONY_LOCAL = "7F7F0101";
/** Stratum at which a source counts as not synchronised: RFC 5905 §7.3. */
const STRATUM_UNSYNCHRONISED = 16;

/**
 * systemd-timesyncd touches /run/systemd/timesync/synchronized at each synchronisation (systemd-timesyncd.service(8)).
 * A flag from before this boot, on a system that keeps /run, vouches for nothing.
 */
export function flagIsOfThisBoot(flagMs: number, wallMs: number, monotonicMs: number): boolean {
  return flagMs >= wallMs - monotonicMs - BOOT_SLACK_MS;
}

/**
 * One line of `chronyc -c tracking`: reference id, name, stratum, reference time, 9 figures, leap status. Undefined: this is
 * not an answer (chronyd does not run). A local reference clock goes by the name of its driver; those that are GPS say so.
 */
export function parseChronyTracking(text: string): Vouched | undefined {
  const fields = text.trim().split(",");
  const [id = "", name = ""] = fields;
  const stratum = Number(fields[2]);
  const leap = fields[13];
  if (fields.length < 14 || !/^[0-9A-F]{8}$/.test(id) || !Number.isInteger(stratum)) return undefined;
  if (leap === "Not synchronised" || id === CHRONY_LOCAL || stratum < 1 || stratum >= STRATUM_UNSYNCHRONISED) return null;
  return stratum === 1 && /^(GPS|GNSS|PPS|NMEA)/.test(name) ? "gps" : "synced";
}

/** The answer of `timedatectl show -p NTPSynchronized --value`: the kernel's own state. Undefined: this is not an answer. */
export function parseTimedatectl(text: string): Vouched | undefined {
  const answer = text.trim();
  if (answer === "yes") return "synced";
  return answer === "no" ? null : undefined;
}
