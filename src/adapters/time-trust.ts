import type { Testimony } from "../core/machine/testimony.ts";

/** How much earlier than the boot a flag may seem to be: the clock is slewed while the boot is computed backwards. */
const BOOT_SLACK_MS = 60_000;
/** How far ahead of the clock a flag may seem to be: a file system keeps coarser times. */
const FLAG_AHEAD_MS_MAX = 2_000;
/** systemd-timesyncd polls every 2048 s at most (timesyncd.conf(5), PollIntervalMaxSec); after three silent polls it is out of touch. */
const FLAG_AGE_MS_MAX = 3 * 2_048_000;

/** Reference id of chrony's own clock (`local` in chrony.conf): synchronised to nothing. 127.127.1.1 */
const CHRONY_LOCAL = "7F7F0101";
/** Stratum at which a source counts as not synchronised: RFC 5905 §7.3. */
const STRATUM_UNSYNCHRONISED = 16;
/** An RTC counts whole seconds, and is read a moment after the clock that it is compared with. */
const RTC_MS_MAX = 2_000;

/**
 * systemd-timesyncd touches /run/systemd/timesync/synchronized at each synchronisation (systemd-timesyncd.service(8)). A flag from before
 * this boot, on a system that keeps /run, vouches for nothing, nor does an old one, nor one that the clock was set back behind.
 */
export function timesyncdSays(flagMs: number, wallMs: number, monotonicMs: number): Testimony | null {
  const isOfThisBoot = flagMs >= wallMs - monotonicMs - BOOT_SLACK_MS;
  const isFresh = flagMs >= wallMs - FLAG_AGE_MS_MAX && flagMs <= wallMs + FLAG_AHEAD_MS_MAX;
  return isOfThisBoot && isFresh ? { witness: "timesyncd", says: "synced", errorMs: null } : null;
}

/**
 * One line of `chronyc -c tracking`: reference id, name, stratum, reference time, system time offset, last offset, RMS offset, frequency,
 * residual, skew, root delay, root dispersion, update interval, leap status. Null: this is not an answer (chronyd does not run). A local
 * reference clock goes by the name of its driver; those that are GPS say so. The error is what chronyc(1) gives as its bound:
 * |offset| + dispersion + delay / 2.
 */
export function chronySays(text: string): Testimony | null {
  const fields = text.trim().split(",");
  const [id = "", name = ""] = fields;
  const stratum = Number(fields[2]);
  const leap = fields[13];
  if (fields.length < 14 || !/^[0-9A-F]{8}$/.test(id) || !Number.isInteger(stratum)) return null;
  if (leap === "Not synchronised" || id === CHRONY_LOCAL || stratum < 1 || stratum >= STRATUM_UNSYNCHRONISED) {
    return { witness: "chrony", says: "no", errorMs: null };
  }
  const [offset, delay, dispersion] = [fields[4], fields[10], fields[11]].map(Number) as [number, number, number];
  const errorMs = (Math.abs(offset) + dispersion + delay / 2) * 1_000;
  const isSatellite = stratum === 1 && /^(GPS|GNSS|PPS|NMEA)/.test(name);
  return { witness: "chrony", says: isSatellite ? "gps" : "synced", errorMs: Number.isFinite(errorMs) ? errorMs : null };
}

/**
 * The answer of `timedatectl show -p NTPSynchronized --value`: the state of the kernel (adjtimex(2), its maximum error below 16 s). systemd
 * passes over STA_UNSYNC (`ntp_synced`), which chrony without `rtcsync` leaves set while it does write the error (chrony, sys_timex.c):
 * such a chrony and the kernel agree. Null: this is not an answer.
 */
export function kernelSays(text: string): Testimony | null {
  const answer = text.trim();
  if (answer !== "yes" && answer !== "no") return null;
  return { witness: "kernel", says: answer === "yes" ? "synced" : "no", errorMs: null };
}

/** What an RTC counts (/sys/class/rtc/rtc0/since_epoch, seconds), against the wall clock. Null: this is not a time. */
export function rtcSays(text: string, wallMs: number): Testimony | null {
  if (!/^[0-9]{1,12}\n?$/.test(text)) return null;
  const isSame = Math.abs(Number(text) * 1_000 + 500 - wallMs) <= RTC_MS_MAX;
  return { witness: "rtc", says: isSame ? "rtc" : "no", errorMs: isSame ? RTC_MS_MAX : null };
}
