/** How bad a problem is: `failing`, nothing leaves or nothing may leave; `degraded`, something is short of what it should be. */
export type ProblemHealth = "degraded" | "failing";

/** One kind of trouble that a status can name: what it means, and what a person does about it. */
export interface ProblemEntry {
  readonly health: ProblemHealth;
  /** What is the case. */
  readonly meaning: string;
  /** What the operator does. */
  readonly remedy: string;
}

const failing = (meaning: string, remedy: string): ProblemEntry => ({ health: "failing", meaning, remedy });
const degraded = (meaning: string, remedy: string): ProblemEntry => ({ health: "degraded", meaning, remedy });

const HOLDS_NO_PEOPLE = "this machine could write readings of people to a disk: streams of people are withheld";

/** Problems of the node. The status says the code, `stoep status` all of it, and `config/problems.md` is made from it. */
const NODE_PROBLEMS = {
  TIME_UNTRUSTED: failing(
    "nobody vouches for the clock: readings wait in memory and cannot be labelled",
    "look at timedatectl: is NTP reachable? `stoep time` says who was asked; `stoep time --accept` takes your word for it",
  ),
  CLOCK_WENT_BACK: failing(
    "the clock says an earlier time than windows that were closed already: nothing is made until it is past them",
    "set the clock right: the node comes back when two witnesses agree for ten minutes, at once after `stoep time --accept`",
  ),
  CLOCK_LEAPT: degraded(
    "the trusted time is more than a day later than when it was last known: for a day nothing is thrown away for its age",
    "nothing when the node was off for so long; else compare `stoep time` with a clock that is right, and mend the source",
  ),
  TIME_SOURCES_DISAGREE: degraded(
    "those who can be asked for the time differ by more than they may",
    "look at `stoep time`, and mend the source that is wrong",
  ),
  BROKER_AWAY: degraded(
    "there is no connection to the broker: summaries wait in the outbox",
    "nothing when it passes; else `stoep doctor` tries the way to the broker step by step",
  ),
  BROKER_REFUSES: failing("the broker refuses the connection", "see the reason in `stoep status` and in config/broker-answers.md"),
  BROKER_TAKES_NOTHING: failing(
    "the connection is up, and for ten minutes the broker has taken nothing that waits",
    "see the reason in `stoep status` and in config/broker-answers.md; what waits is kept",
  ),
  SUMMARIES_LOST: degraded(
    "within the last day summaries were given up: refused for good by the broker, too old, or without room",
    "`lost` in `stoep status --json` says which and why; those that were refused `stoep outbox replay --from SEQ` sends again, for 72 h",
  ),
  NOT_AUTHORISED: degraded(
    "the broker refuses some topic of this node",
    "give the node the right to write to its topics (`stoep doctor` tries them)",
  ),
  CLIENT_ID_TAKEN: failing(
    "somebody else connects under the name of this node, again and again",
    "find the second node with this node.id, or the stolen certificate",
  ),
  BROKER_NOT_ALLOWED: failing(
    "the broker is not where `broker.residency` allows: nothing is sent to it",
    "see `stoep evidence`; correct the address of the broker, or what is allowed",
  ),
  RESIDENCY_CONTRADICTED: degraded("what is known of the broker's address contradicts its declaration", "see `stoep evidence`"),
  RESIDENCY_UNPROVEN: degraded(
    "where the broker stands cannot be told from its address",
    "declare the provider in `broker.residency`, or give newer databases",
  ),
  RESIDENCY_DATABASE_OLD: degraded(
    "the databases that say where an address is are older than 90 days",
    "put newer ones in `broker.residency.databases`; nothing is silenced by this",
  ),
  PROVIDER_DECLARATION_ENDED: degraded("the declaration of the provider is past its date", "have it renewed, then write down its date"),
  EVIDENCE_FAILED: degraded(
    "the evidence of where the broker stands could not be written",
    "look at the room and the rights of `storage.directory`",
  ),
  TLS_PAIR_MISMATCH: degraded(
    "the renewed certificate and key are not a pair: the node goes on with those before, where it has not been started since",
    "put the key to `broker.tls.key` that belongs to the certificate",
  ),
  TLS_UNREADABLE: degraded(
    "a file of `broker.tls` cannot be read: the node goes on with what it had, where it has not been started since",
    "look at the file and its rights; a key must be for the service's user alone",
  ),
  CERT_EXPIRES_SOON: degraded("the node's certificate ends within 60 days", "renew it: the node takes new files over by itself"),
  CERT_EXPIRED: degraded("the node's certificate has ended", "renew it: the node takes new files over by itself"),
  CA_EXPIRES_SOON: degraded("the certificate authority of `broker.tls.ca` ends within 60 days", "roll out its successor"),
  CA_EXPIRED: degraded("the certificate authority of `broker.tls.ca` has ended", "roll out its successor"),
  OUTBOX_FAILED: failing(
    "node.db cannot be written or opened: no window is closed",
    "look at the card: `dmesg`, `df`, `stoep outbox check`; the node tries again by itself",
  ),
  DISK_FULL: degraded(
    "the card is full: the outbox sheds what was acknowledged, then what waited longest",
    "make room on the file system of `storage.directory`",
  ),
  LIVE_FULL: failing(
    "the memory for open windows is full: readings are dropped and counted",
    "make `storage.live` larger, or take shorter windows or fewer readings",
  ),
  LIVE_FAILED: failing(
    "the memory for open windows cannot be read or written: readings are dropped and counted, or no window is closed",
    "look at where `storage.live` is: `df`, `dmesg`; the node tries again by itself",
  ),
  OUTBOX_QUARANTINED: degraded(
    "node.db was damaged and put aside; the node began a new one and saved what it could",
    "keep the file `*.corrupt-*` until `stoep outbox check` is content, then `stoep outbox repair`",
  ),
  OUTBOX_REPAIRED: degraded("rows of node.db were not what had been written, and were not used", "replace the card soon"),
  INSTANCE_RENEWED: degraded(
    "node.db was put back or came from another machine: the node has a new `instance`",
    "nothing, when you did it; subscribers tell the two apart",
  ),
  LEDGER_DAMAGED: degraded(
    "the record of the spent privacy budget cannot be believed: streams of people are withheld for a while",
    "nothing: it ends by itself when no window of doubt is left",
  ),
  PRIVACY_CHANGE_WAITS: degraded(
    "the terms of a stream of people were changed: they hold from the next day of UTC on",
    "nothing; `stoep explain` says from when",
  ),
  SWAP_ON_DISK: degraded(HOLDS_NO_PEOPLE, "switch swap on disks off, and keep it off at boot, or use zram; then start the node again"),
  SWAP_UNKNOWN: degraded(HOLDS_NO_PEOPLE, "let the node read /proc/swaps; then start it again"),
  CORE_DUMPS: degraded(HOLDS_NO_PEOPLE, "set LimitCORE=0 in the unit, as systemd/stoep.service does; then start the node again"),
  CORE_DUMPS_UNKNOWN: degraded(HOLDS_NO_PEOPLE, "let the node read /proc/self/limits and /proc/sys/kernel/core_pattern"),
  LIVE_NOT_TMPFS: degraded(
    "`storage.live` is on a disk: readings are kept in the memory of the process, and are lost with it",
    "put `storage.live` on a tmpfs such as /run/stoep",
  ),
  CONFIG_REJECTED: degraded(
    "the node file on the disk is not the one that runs",
    "`stoep check` says what is wrong with it, or the log does (ConfigRejected, ConfigRolledBack, ConfigGoodUsed); then `stoep reload`",
  ),
  METRICS_PORT_REFUSED: degraded(
    "nobody gets metrics on `metrics.port`: another program listens there, or the node may not",
    "free the port, or name another one, then `stoep reload`; the log has more (MetricsPortRefused), and it is tried each minute",
  ),
  RETIRED: degraded("the node said goodbye to its broker for good (`stoep retire`)", "start the node again to bring it back"),
} as const satisfies Readonly<Record<string, ProblemEntry>>;

/** Problems of one sensor. A driver may tell others, under names of its own: its README says what they mean. */
const SENSOR_PROBLEMS = {
  COUNTERS_UNBALANCED: degraded("something that came in is neither stored nor counted as dropped: a bug of Stoep", "please report it"),
  WATCHED: degraded(
    "somebody on this machine watches or captures this sensor of people",
    "nothing: it ends by itself within 10 minutes; `stoep egress` says who asked",
  ),
  SENSOR_LIFE_EXCEEDED: degraded(
    "it has worked for longer than its maker says that it lasts",
    "replace it, or its laser or cell; the README of its driver says what wears",
  ),
  SENSOR_SILENT: degraded("it says nothing, though its port is open", "look at its power and its wires; `stoep watch` shows what comes"),
  SENSOR_GONE: degraded("its port is not there", "look whether it is plugged in, and whether the path in the node file is right"),
  SENSOR_PERMISSION: degraded("its port may not be opened", "add the user of the service to the group of the device (dialout, gpio)"),
  SENSOR_BUSY: degraded("its port is held by another process", "`stoep doctor` names the process, where it can be told"),
  SENSOR_SETTINGS: degraded("its port refuses the settings", "correct the settings of the port in the node file"),
  SENSOR_IO: degraded("its port fails while it is open", "look at `dmesg`, the cable and the hub; it is opened again by itself"),
  SENSOR_UNSUPPORTED: degraded("this machine cannot work its port", "`stoep doctor` says what is missing"),
  SENSOR_ENDED: degraded("its replay has come to its end", "nothing"),
  SENSOR_DRIVER_THREW: degraded("its driver failed: a bug of the driver", "please report it to the author of the driver, with a capture"),
} as const satisfies Readonly<Record<string, ProblemEntry>>;

/** What a node can say of itself. */
export type NodeProblem = keyof typeof NODE_PROBLEMS;

const ALL: Readonly<Record<string, ProblemEntry>> = { ...NODE_PROBLEMS, ...SENSOR_PROBLEMS };

const OF_A_DRIVER = degraded("the driver of the sensor says so", "see the README of the driver");

/** What a code in a status means. Codes that are not in the catalogue are those of drivers. */
export function problemEntry(code: string): ProblemEntry {
  return Object.hasOwn(ALL, code) ? (ALL[code] as ProblemEntry) : OF_A_DRIVER;
}

/** The catalogue as rows: code, what it makes of the health, meaning, remedy. */
export function problemRows(of: "node" | "sensor"): readonly (readonly string[])[] {
  const entries: Readonly<Record<string, ProblemEntry>> = of === "node" ? NODE_PROBLEMS : SENSOR_PROBLEMS;
  return Object.entries(entries).map(([code, { health, meaning, remedy }]) => [`\`${code}\``, health, meaning, remedy]);
}
