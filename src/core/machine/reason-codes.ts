import type { NodeProblem } from "../events/problems.ts";

/** What becomes of a message that was answered so. */
export type Verdict = "settled" | "retry" | "not-authorised" | "refused";

/** When a connection is tried again that was refused or ended so. */
export type Return =
  /** With the usual backoff. */
  | "soon"
  /** After half a minute to a minute at least: the broker asks for air. */
  | "later"
  /** After 2.5 to 5 minutes: only somebody at the broker or at the node file can help. */
  | "rarely"
  /** After 3 to 5 minutes: two nodes with one id would throw each other out for ever (reference mqtt-and-platforms B4). */
  | "taken-over";

/** What a problem of the connection is called in `status`. */
export type BrokerProblem = Extract<NodeProblem, "BROKER_REFUSES" | "CLIENT_ID_TAKEN" | "NOT_AUTHORISED">;

/** A reason code of MQTT 5 (§2.4) that a node which only publishes can meet, and what it means here. */
export interface ReasonCode {
  readonly code: number;
  readonly name: string;
  readonly meaning: string;
  /** In a PUBACK (§3.4.2.1); null where it is not legal there: such a code is a `retry`. */
  readonly message: Verdict | null;
  /** In a CONNACK (§3.2.2.2) or a DISCONNECT (§3.14.2.1); null where it is legal in neither. */
  readonly connection: Return | null;
  /** Whether a DISCONNECT with it speaks of a message that was under way: the one that does so twice, alone, is refused for good. */
  readonly blames: boolean;
  /** For `status`, beside BROKER_AWAY; null: it passes by itself. */
  readonly problem: BrokerProblem | null;
  /** What the operator is told to do. */
  readonly remedy: string;
}

/** 0x80 and 0x83 may be about this very message: it is tried so often while others are taken, then refused. */
export const UNSPECIFIED_ATTEMPTS_MAX = 10;

const NOTHING = "nothing: it passes";
const WAIT = "nothing: the node comes back; look at the broker when it lasts";
const LIMITS = "look at the limits that the broker sets for each client";
const BUG = "report it, with the broker's name and version: the node keeps to what the broker asked for";
const SMALLER = "raise the broker's limit on the size of a message, or publish fewer cells or bins";

type Row = readonly [
  code: number,
  name: string,
  meaning: string,
  message: Verdict | null,
  connection: Return | null,
  blames: boolean,
  problem: BrokerProblem | null,
  remedy: string,
];

const SETTLED = ["settled", null, false, null] as const;
const REFUSES = "BROKER_REFUSES";

// MQTT 5 §2.4, in order. MQTT.js takes 0x10 for a success. mosquitto 2.0 answers with 0x95 in a PUBACK, where it is not legal, and
// MQTT.js is deaf from then on: the adapter reads the code itself, and makes a new connection.
const ROWS: readonly Row[] = [
  [0x00, "success", "the broker has it; as DISCONNECT: it closes without a reason", "settled", "soon", false, null, NOTHING],
  [0x10, "no-matching-subscribers", "the broker has it, and nobody has asked for it", ...SETTLED, "subscribe, if somebody should have it"],
  [0x80, "unspecified-error", "the broker says no, and not why", "retry", "later", false, null, "look at the log of the broker"],
  [0x81, "malformed-packet", "the broker could not read a packet", null, "soon", true, null, BUG],
  [0x82, "protocol-error", "the broker thinks that a packet came out of turn", null, "soon", true, null, BUG],
  [0x83, "implementation-specific-error", "the broker has its own reason", "retry", "later", false, null, "look at the log of the broker"],
  [0x84, "unsupported-protocol-version", "no MQTT 5 here", null, "rarely", false, REFUSES, "set broker.protocol: 4"],
  [
    0x85,
    "client-identifier-not-valid",
    "the broker does not take node.id as a client id",
    null,
    "rarely",
    false,
    REFUSES,
    "allow the id at the broker, or shorten node.id",
  ],
  [
    0x86,
    "bad-user-name-or-password",
    "the broker does not know this node",
    null,
    "rarely",
    false,
    REFUSES,
    "put broker.username and broker.password right here or at the broker; the secret is read anew at each attempt",
  ],
  [
    0x87,
    "not-authorised",
    "the broker knows this node and does not let it",
    "not-authorised",
    "rarely",
    false,
    "NOT_AUTHORISED",
    "let the node write to its topics: in mosquitto, `pattern write PREFIX/%u/#` in the ACL file",
  ],
  [0x88, "server-unavailable", "the broker is up and not ready", null, "later", false, null, WAIT],
  [0x89, "server-busy", "the broker has too much to do", null, "later", false, null, WAIT],
  [0x8a, "banned", "somebody at the broker has shut this node out", null, "rarely", false, REFUSES, "ask who runs the broker"],
  [0x8b, "server-shutting-down", "the broker stops", null, "soon", false, null, WAIT],
  [
    0x8c,
    "bad-authentication-method",
    "the broker wants another way to log in",
    null,
    "rarely",
    false,
    REFUSES,
    "allow passwords or certificates",
  ],
  [
    0x8d,
    "keep-alive-timeout",
    "the broker heard nothing for too long",
    null,
    "soon",
    false,
    null,
    "shorten broker.keepAlive if it comes back",
  ],
  [
    0x8e,
    "session-taken-over",
    "another client came with the same id",
    null,
    "taken-over",
    false,
    "CLIENT_ID_TAKEN",
    "find the other node with this node.id, and give it one of its own",
  ],
  [0x8f, "topic-filter-invalid", "a subscription is wrong; the node has none", null, "soon", false, null, BUG],
  [0x90, "topic-name-invalid", "the broker does not take this topic", "refused", "rarely", true, REFUSES, "choose another broker.prefix"],
  [0x91, "packet-identifier-in-use", "the broker still has a message of this number", "retry", null, false, null, NOTHING],
  [0x93, "receive-maximum-exceeded", "too many messages at once, says the broker", null, "soon", false, null, "lower broker.inFlight"],
  [0x94, "topic-alias-invalid", "an alias is wrong; the node uses none", null, "soon", false, null, BUG],
  [0x95, "packet-too-large", "the message is longer than the broker takes", "refused", "rarely", true, REFUSES, SMALLER],
  [0x96, "message-rate-too-high", "too many messages a second", null, "later", false, null, "lower broker.drainRate"],
  [0x97, "quota-exceeded", "a limit of the broker is reached", "retry", "later", false, null, LIMITS],
  [0x98, "administrative-action", "somebody at the broker ended it", null, "rarely", false, null, "ask who runs the broker"],
  [
    0x99,
    "payload-format-invalid",
    "the broker does not take this payload",
    "refused",
    "rarely",
    true,
    REFUSES,
    "let the broker take UTF-8 JSON",
  ],
  [
    0x9a,
    "retain-not-supported",
    "the broker keeps no status and meta",
    null,
    "rarely",
    true,
    REFUSES,
    "allow retained messages at the broker",
  ],
  [0x9b, "qos-not-supported", "the broker does not acknowledge", null, "rarely", true, REFUSES, "allow QoS 1 at the broker"],
  [
    0x9c,
    "use-another-server",
    "the broker names another one for now; the node does not go there",
    null,
    "rarely",
    false,
    REFUSES,
    "decide whether the other place is as good, then set broker.url",
  ],
  [
    0x9d,
    "server-moved",
    "the broker names another one for good; the node does not go there",
    null,
    "rarely",
    false,
    REFUSES,
    "decide whether the other place is as good, then set broker.url",
  ],
  [0x9e, "shared-subscriptions-not-supported", "the node subscribes to nothing", null, "soon", false, null, BUG],
  [
    0x9f,
    "connection-rate-exceeded",
    "too many connect at once",
    null,
    "later",
    false,
    null,
    "raise broker.spread on all nodes of the broker",
  ],
  [0xa0, "maximum-connect-time", "the broker ends connections of this age", null, "soon", false, null, NOTHING],
  [0xa1, "subscription-identifiers-not-supported", "the node subscribes to nothing", null, "soon", false, null, BUG],
  [0xa2, "wildcard-subscriptions-not-supported", "the node subscribes to nothing", null, "soon", false, null, BUG],
];

/** Every reason code that a broker may give to a node, in order: the machine and the table in `src/core/machine/README.md` come from it. */
export const REASON_CODES: readonly ReasonCode[] = ROWS.map(([code, name, meaning, message, connection, blames, problem, remedy]) => ({
  code,
  name,
  meaning,
  message,
  connection,
  blames,
  problem,
  remedy,
}));

const BY_CODE: ReadonlyMap<number, ReasonCode> = new Map(REASON_CODES.map((one) => [one.code, one]));

/** What a reason code means, or null when it is not one that MQTT 5 lets a broker give to a node. */
export function reasonOf(reasonCode: number): ReasonCode | null {
  return BY_CODE.get(reasonCode) ?? null;
}

/** Name of a reason code that an operator can look up. */
export function reasonName(reasonCode: number): string {
  return reasonOf(reasonCode)?.name ?? `0x${hex(reasonCode)}`;
}

/** Whether the code may be about this very message, or about anything. */
export const isUnspecific = (reasonCode: number): boolean => reasonCode === 0x80 || reasonCode === 0x83;

/** What a PUBACK means for its row; `attempts`: how often the row was answered with an unspecific failure so far (`Refusals`). */
export function verdictOf(reasonCode: number, attempts: number): Verdict {
  const verdict = reasonOf(reasonCode)?.message ?? (reasonCode < 0x80 ? "settled" : "retry");
  return isUnspecific(reasonCode) && attempts + 1 >= UNSPECIFIED_ATTEMPTS_MAX ? "refused" : verdict;
}

/** When to come back after a CONNACK or DISCONNECT with this code. */
export function returnAfter(reasonCode: number): Return {
  return reasonOf(reasonCode)?.connection ?? "later";
}

const hex = (code: number): string => code.toString(16).padStart(2, "0");

const MESSAGE_WORDS: Readonly<Record<Verdict, string>> = {
  settled: "done",
  retry: "waits, with all others, 1 s to 1 min, and is sent again",
  "not-authorised": "its sensor waits a minute, others go on",
  refused: "set aside, sent again by a replay only, reported as lost; where the broker takes no others, it waits",
};

const RETURN_WORDS: Readonly<Record<Return, string>> = {
  soon: "comes back with backoff",
  later: "comes back after 30 s or more",
  rarely: "comes back after 2.5 to 5 min",
  "taken-over": "comes back after 3 to 5 min",
};

/** The rows of the table in the documentation: code, meaning, what becomes of a message, of the connection, and what to do. */
export function reasonCodeTable(): readonly (readonly [string, string, string, string, string])[] {
  return REASON_CODES.map(({ code, name, meaning, message, connection, blames, remedy }) => {
    const again = isUnspecific(code) ? `; after ${UNSPECIFIED_ATTEMPTS_MAX} times between which it takes others, it is set aside` : "";
    const messageWords = message === null ? "-" : `${MESSAGE_WORDS[message]}${again}`;
    const blame = blames ? "; what was under way is sent one by one" : "";
    return [`0x${hex(code)} \`${name}\``, meaning, messageWords, connection === null ? "-" : `${RETURN_WORDS[connection]}${blame}`, remedy];
  });
}
