/** Health of the node in one word: `degraded` when something is wrong that does not stop summaries, `failing` when nothing leaves. */
export type Health = "ok" | "degraded" | "failing";

/** A sensor in one word. */
export type SensorState = "ok" | "silent" | "fault" | "disabled" | "maintenance";

/** One thing that is wrong. `sensor` is null when it concerns the node. */
export interface Problem {
  readonly code: string;
  readonly sensor: string | null;
  /** RFC 3339; null while the clock is not trusted. */
  readonly since: string | null;
}

/** `status`: retained, every 300 s and on change (CONTRACT §4). It has no field that could count people. */
export interface OnlineStatus {
  readonly v: 1;
  readonly node: string;
  readonly instance: string;
  readonly boot: string;
  /** How often this instance was started: connections are ordered by (`run`, `conn`). */
  readonly run: number;
  readonly conn: number;
  readonly state: "online" | "offline";
  readonly at: string;
  readonly every: number;
  readonly health: Health;
  readonly problems: readonly Problem[];
  readonly version: string;
  readonly rev: string;
  readonly config: { readonly active: string; readonly rejected: string | null };
  readonly time: { readonly state: string; readonly errorMs: number | null };
  readonly outbox: {
    readonly pending: number;
    readonly firstUnacked: number | null;
    readonly lastSeq: number;
    readonly hours: number | null;
    readonly lost: readonly { readonly fromSeq: number; readonly toSeq: number; readonly reason: string }[];
    /** Summaries of earlier instances that will never arrive; null: nobody knows how many. */
    readonly lostEarlier: number | null;
  };
  readonly sensors: Readonly<Record<string, SensorState>>;
  readonly expires: { readonly cert: string | null; readonly ca: string | null; readonly ipDatabase: string | null };
}

/** The will: what the broker says for a node that went without goodbye. */
export interface LostStatus {
  readonly v: 1;
  readonly state: "lost";
  readonly node: string;
  readonly instance: string;
  readonly boot: string;
  /** How often this instance was started: connections are ordered by (`run`, `conn`). */
  readonly run: number;
  readonly conn: number;
}

export type StatusDocument = OnlineStatus | LostStatus;

/** `meta` of the node. */
export interface NodeMeta {
  readonly v: 1;
  readonly about: "node";
  readonly rev: string;
  readonly node: string;
  readonly name: string | null;
  readonly owner: object | null;
  readonly purpose: string | null;
  readonly location: object | null;
  readonly timeZone: string;
  readonly software: { readonly name: "stoep"; readonly version: string };
}

/** `meta` of a sensor: everything a summary leaves out because it does not change. */
export interface SensorMeta {
  readonly v: 1;
  readonly about: "sensor";
  readonly rev: string;
  readonly node: string;
  readonly sensor: string;
  readonly driver: string;
  readonly instrument: string | null;
  readonly location: object | null;
  readonly azimuth: number | null;
  readonly directions: object;
  readonly simulated: boolean;
  readonly streams: Readonly<Record<string, object>>;
}

export type MetaDocument = NodeMeta | SensorMeta;
