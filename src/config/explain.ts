import { discreteLaplaceDeviation } from "../core/anonymise/accuracy.ts";
import { type Claim, claimOf } from "../core/anonymise/claims.ts";
import { noisedNote, noiseScale, stepOf, stepsPerEvent } from "../core/anonymise/noised.ts";
import { cellsOf } from "../core/reading/direction.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import { epsilonFraction, epsilonMicro, epsilonText } from "../core/units/epsilon.ts";
import type { NodePlan } from "./plan.ts";
import { durationText } from "./values.ts";

// What is told about people and what it costs them, from the file alone: for a data protection officer, and for whoever asks her.

/** How often somebody passes, for whom it is worked out what that tells. */
const PASSINGS_A_DAY = [1, 2, 10] as const;
/** Twice a day for thirty days. */
const COMMUTER_PASSINGS = 60;
/** Rows of the outbox that were acknowledged stay this long, to be sent again. */
export const REPLAY_HOURS = 72;

/** The budget side of a noised stream. Epsilons are texts: they are exact. */
export interface Budget {
  readonly account: string;
  readonly epsilon: string;
  readonly epsilonExact: string;
  /** What all noised streams of the account tell about one event. */
  readonly accountTotal: string;
  readonly sharedWith: readonly string[];
  readonly mechanism: string;
  readonly scale: number;
  readonly standardDeviation: number;
  readonly ci95: number;
  readonly per: string;
  /** The most that one event moves what is released. */
  readonly mostPerEvent: number;
  /** What somebody who passes so often a day has told about at the end of it, and a commuter at the end of a month. */
  readonly perDay: readonly { readonly passings: number; readonly epsilon: string }[];
  readonly perCommuterMonth: string;
}

/** One stream, explained. */
export interface Explanation {
  readonly stream: string;
  readonly topic: string;
  readonly leaves: boolean;
  readonly claim: Claim;
  readonly sensor: string;
  readonly driver: string;
  readonly channel: string;
  readonly quantity: string;
  readonly kind: string;
  readonly unit: string;
  readonly sensitivity: string;
  readonly windowSeconds: number;
  readonly latenessSeconds: number;
  readonly policy: string;
  /** What the numbers are: cells, bins, statistics. */
  readonly says: string;
  readonly madeOf: string | null;
  readonly members: readonly string[];
  readonly budget: Budget | null;
  /** Where what is kept, and for how long. */
  readonly kept: readonly { readonly what: string; readonly where: string; readonly howLong: string }[];
}

/** Every stream of a plan, or the one that is asked for: `gate-1.passages`. */
export function explain(plan: NodePlan, wanted: string | null = null): readonly Explanation[] {
  const sensors = plan.sensors.flatMap((sensor) =>
    sensor.streams.map((stream) => ({ stream, driver: sensor.driver.name, isOn: sensor.enabled })),
  );
  const groups = plan.groups.map(({ stream }) => ({ stream, driver: "group", isOn: true }));
  return [...sensors, ...groups]
    .filter(({ stream }) => wanted === null || stream.id === wanted)
    .map(({ stream, driver, isOn }) => explanation(plan, stream, driver, isOn));
}

function explanation(plan: NodePlan, stream: StreamPlan, driver: string, isOn: boolean): Explanation {
  const { channel, policy, sensor, name } = stream;
  return {
    stream: stream.id,
    topic: `${plan.broker.prefix}/${plan.node.id}/${sensor}/${name}/summary`,
    leaves: isOn && policy.is !== "withheld",
    claim: claimOf(stream),
    sensor,
    driver,
    channel: channel.name,
    quantity: channel.quantity,
    kind: channel.kind,
    unit: channel.unit,
    sensitivity: stream.sensitivity,
    windowSeconds: stream.windowMs / 1_000,
    latenessSeconds: stream.latenessMs / 1_000,
    policy: policy.is === "group" ? "minimum-count" : policy.is,
    says: saysOf(stream),
    madeOf: stream.from?.stream ?? null,
    members: policy.is === "group" ? policy.members : [],
    budget: budgetOf(plan, stream),
    kept: keptOf(plan, stream),
  };
}

function saysOf({ channel, policy, binEdges, from }: StreamPlan): string {
  const noised = policy.is !== "noised" ? "" : from === null ? ", each with noise of its own" : ", each a sum of noised ones";
  switch (channel.kind) {
    case "passage": {
      const cells = cellsOf(channel.cells).map((cell) => [cell.direction, cell.class].filter(Boolean).join(" ") || "all");
      return `a count for ${cells.join(", ")}${noised}${policy.is === "noised" ? ", and their total" : "; no total"}`;
    }
    case "speed":
      return `how many passed at each of ${binEdges.length - 1} speeds, from ${binEdges[0]} to ${binEdges.at(-1)} ${channel.unit}${noised}`;
    case "identity":
      return "how many different ones there were, with noise";
    case "counter":
      return policy.is === "noised" ? "a sum, with noise" : policy.is === "group" ? "the sum of all members" : "sum and highest rate";
    case "state":
      return policy.is === "group" ? "the share of time of each state, over all members" : "the share of time of each state, and changes";
    case "level":
      return "LAeq, LAmax, L10, L50, L90";
    case "direction":
      return "mean direction and how steady it is";
    default:
      return policy.is === "group" ? "the sum of the members' means" : "mean, extremes, spread, median and 95th percentile";
  }
}

function budgetOf(plan: NodePlan, stream: StreamPlan): Budget | null {
  const { policy, account, from, id } = stream;
  if (policy.is !== "noised" || from !== null) return null;
  const note = noisedNote(stream, policy);
  const { epsilonMicro: own, accountMicro } = policy;
  const others = plan.sensors.filter(({ enabled }) => enabled).flatMap(({ streams }) => streams);
  const times = (passings: number): string => epsilonText(epsilonMicro(passings * accountMicro));
  return {
    account,
    epsilon: epsilonText(own),
    epsilonExact: epsilonFraction(own),
    accountTotal: epsilonText(accountMicro),
    sharedWith: others
      .filter((one) => one.policy.is === "noised" && one.from === null && one.account === account && one.id !== id)
      .map((one) => one.id),
    mechanism: note.mechanism,
    scale: note.scale,
    standardDeviation: Number((discreteLaplaceDeviation(noiseScale(stream, policy)) * stepOf(stream)).toFixed(2)),
    ci95: note.ci95,
    per: note.per,
    mostPerEvent: stepsPerEvent(stream, policy),
    perDay: PASSINGS_A_DAY.map((passings) => ({ passings, epsilon: times(passings) })),
    perCommuterMonth: times(COMMUTER_PASSINGS),
  };
}

function keptOf(plan: NodePlan, stream: StreamPlan): Explanation["kept"] {
  const { storage } = plan;
  const isOfPeople = stream.sensitivity !== "environmental";
  const isWatched = stream.policy.is !== "withheld" || stream.group !== null;
  const memory =
    storage.live === null ? "memory of the process" : `${storage.live} (memory; never a disk${isOfPeople ? "" : " unless you choose one"})`;
  const readings = {
    what: "readings",
    where: memory,
    howLong: `until the window is closed, ${durationText(stream.windowMs)} and ${durationText(stream.latenessMs)}`,
  };
  const summaries = [
    { what: "summaries", where: `${storage.directory} (flash)`, howLong: `until the broker has them, and ${REPLAY_HOURS} h longer` },
    { what: "what left, when, to which address", where: `${storage.directory} (flash)`, howLong: durationText(storage.egress.keepMs) },
  ];
  const ledger = {
    what: "budget spent, without any count",
    where: `${storage.directory} (flash)`,
    howLong: durationText(storage.egress.keepMs),
  };
  const isDirect = stream.from === null && isWatched;
  const leaves = stream.policy.is !== "withheld";
  return [...(isDirect ? [readings] : []), ...(leaves ? summaries : []), ...(stream.policy.is === "noised" && isDirect ? [ledger] : [])];
}

/** One stream, for people to read from top to bottom. */
export function explanationText(one: Explanation, node: string): string {
  const lines: string[] = [];
  const row = (label: string, text: string): void => void lines.push(`  ${label.padEnd(12)}${text}`);
  lines.push(`${one.stream}: ${one.claim.text}`, "");
  row("topic", one.leaves ? one.topic : "none: nothing of it leaves");
  row("measures", `${one.quantity} (${one.sensitivity}), channel ${one.channel} of driver ${one.driver}`);
  row("window", windowText(one));
  row("policy", one.policy);
  if (one.leaves) row("says", one.says);
  if (one.members.length > 0) row("members", `${one.members.length}: ${one.members.join(", ")}`);
  if (one.budget !== null) lines.push("", ...budgetLines(one.budget, node));
  if (one.kept.length > 0) {
    lines.push("", "  What is kept");
    const width = Math.max(...one.kept.map(({ what }) => what.length));
    for (const { what, where, howLong } of one.kept) lines.push(`    ${what.padEnd(width)}  ${where}: ${howLong}`);
  }
  return `${lines.join("\n")}\n`;
}

function windowText({ windowSeconds, latenessSeconds, madeOf }: Explanation): string {
  const length = durationText(windowSeconds * 1_000);
  if (madeOf !== null) return `${length}, made of what ${madeOf} released: that costs nothing`;
  return `${length}, closed ${durationText(latenessSeconds * 1_000)} after its end`;
}

function budgetLines(budget: Budget, node: string): readonly string[] {
  const { epsilon, accountTotal, account, sharedWith, scale, standardDeviation, ci95, per, perDay, perCommuterMonth, mostPerEvent } =
    budget;
  const factor = Math.exp(Number(accountTotal)).toFixed(2);
  const declared = `the people of "${account}", whom the operator declares to be seen by no other account`;
  const whose = account === "node" ? `everybody who passes ${node}` : declared;
  const steps = `${mostPerEvent} step${mostPerEvent === 1 ? "" : "s"}`;
  return [
    "  The noise",
    `    discrete Laplace of scale ${scale}: one ${per} moves what is released by ${steps} at most,`,
    `    over epsilon ${epsilon} (exactly ${budget.epsilonExact})`,
    `    95 of 100 numbers are off by ${ci95} or less; the standard deviation is ${standardDeviation}`,
    "    counts can be negative, so that sums stay right",
    "",
    "  What it tells about one person",
    `    account: ${whose}${sharedWith.length === 0 ? "" : `; shared with ${sharedWith.join(", ")}`}`,
    `    one ${per} costs ${accountTotal} in all: whoever reads everything can tell that it happened from that it did not`,
    `    by a factor of ${factor} at most (e^${accountTotal})`,
    ...perDay.map(
      ({ passings, epsilon: sum }) =>
        `    somebody who passes ${passings === 1 ? "once" : `${passings} times`} a day: epsilon ${sum} a day`,
    ),
    `    a commuter, twice a day for 30 days: epsilon ${perCommuterMonth} a month`,
    "    a person seen by other nodes as well: the same again for each of them; nodes do not know of each other",
    "    This is a promise about each single event. That somebody passes here every day is not hidden by it.",
  ];
}
