import type { TimeSource } from "../core/machine/testimony.ts";

/** What is the case when nobody whom `time.source` names vouches for the clock, and what the operator does. */
export interface NobodyVouches {
  readonly says: string;
  readonly remedy: string;
}

const NOBODY_VOUCHES: Readonly<Record<TimeSource, NobodyVouches>> = {
  system: {
    says: "nothing vouches for it: neither timesyncd, nor chrony, nor the kernel",
    remedy:
      "let a time service reach its server: timedatectl set-ntp true, and NTP (UDP port 123) out; timedatectl timesync-status or chronyc " +
      "tracking show it. Or set time.source in the node file",
  },
  gps: {
    says: "chrony follows no GPS receiver, and time.source believes nothing else",
    remedy: "look at the antenna and at chronyc sources; chrony.conf needs a refclock whose name begins with GPS, GNSS, PPS or NMEA",
  },
  rtc: {
    says: "it differs from the clock with a battery, or there is none (/sys/class/rtc/rtc0), and no time service vouches for it",
    remedy: "look at date --utc and sudo hwclock --show, and set the wrong one from the other: sudo hwclock --hctosys, or --systohc",
  },
  operator: {
    says: "nobody has vouched for it yet",
    remedy: "wait for a moment",
  },
};

/** The words for a clock that nobody vouches for, by whom the node file believes. */
export function nobodyVouches(source: TimeSource): NobodyVouches {
  const { says, remedy } = NOBODY_VOUCHES[source];
  return { says, remedy: `${remedy}; or look at the clock yourself and type: stoep time --accept` };
}
