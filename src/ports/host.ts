/** A folder as promises see it. */
export interface FolderFacts {
  /** Where its bytes go: gone at power-off, or not. Everything that is not known to be memory counts as `disk`. */
  readonly on: "memory" | "disk";
  /** What an unprivileged process may still write, bytes. */
  readonly freeBytes: number;
}

/** One swap area. */
export interface SwapArea {
  /** As the kernel names it: `/dev/zram0`, `/var/swap`. */
  readonly name: string;
  /** `memory`: zram without a backing device. Everything else, zram with write-back included, can reach a disk. */
  readonly on: "memory" | "disk";
}

/** What a crash of this process leaves behind. */
export type CoreDumps = "off" | "possible" | "unknown";

/** The software underneath, for `version` and the node's meta. */
export interface HostVersions {
  readonly node: string;
  /** Release of the kernel: `6.12.47+rpt-rpi-v8`. */
  readonly kernel: string;
  /** `arm64`, `x64`: as Node names it. */
  readonly architecture: string;
  /** Name of the operating system, or null: `Debian GNU/Linux 13 (trixie)`. */
  readonly system: string | null;
}

/** Facts about the machine that promises rest on. Nothing throws: what cannot be found out is null or `unknown`, and counts as bad. */
export interface Host {
  /** null: there is no such folder, or it cannot be asked. */
  folder(path: string): Promise<FolderFacts | null>;
  /** Every swap area in use; null: cannot be found out, so readings of people must be withheld. */
  swap(): Promise<readonly SwapArea[] | null>;
  coreDumps(): Promise<CoreDumps>;
  /** A name of this machine that no card carries with it; null where it has none. Told to nobody: stores keep a hash of it. */
  machine(): Promise<string | null>;
  /** Memory of this process that is in RAM, bytes. */
  residentBytes(): number;
  versions(): Promise<HostVersions>;
}
