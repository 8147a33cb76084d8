import { unreachable } from "../../core/assert.ts";
import type { StreamPlan } from "../../core/reading/stream.ts";
import type { EvidenceRecord } from "../../core/residency/evidence.ts";
import { epsilonText } from "../../core/units/epsilon.ts";
import type { GroupPlan, NodePlan, SensorPlan } from "../plan.ts";
import { decimalWords, type Language, perWords, quantityWords } from "./words.ts";

// What the documents have in common. Facts only: every one of them is in the plan.

/** Where a document comes from. Without a date: the same file yields the same document. */
export interface Origin {
  readonly file: string;
  /** First 8 hex digits of the SHA-256 of the file. */
  readonly rev: string;
  readonly version: string;
  /** The last record of where the broker was found, or null. */
  readonly evidence?: EvidenceRecord | null;
}

export const originText = ({ file, rev, version }: Origin): string => `Stoep ${version}, ${file} (${rev})`;

/**
 * Whether a sensor processes data about people, whatever becomes of it: the processing in memory is one before anything leaves. It counts
 * what its driver can emit, not what is published (privacy reference §5, T12).
 */
export function isOfPeople({ channels, streams }: SensorPlan): boolean {
  return [...channels, ...streams].some(({ sensitivity }) => sensitivity !== "environmental");
}

/** Sensors that are switched on and process data about people. */
export const sensorsOfPeople = (plan: NodePlan): readonly SensorPlan[] =>
  plan.sensors.filter((sensor) => sensor.enabled && isOfPeople(sensor));

const leaves = ({ policy }: StreamPlan): boolean => policy.is !== "withheld";

/** Streams that leave, those of groups last. */
export function streamsThatLeave({ sensors, groups }: NodePlan): readonly StreamPlan[] {
  const own = sensors.filter(({ enabled }) => enabled).flatMap(({ streams }) => streams);
  return [...own, ...groups.map(({ stream }: GroupPlan) => stream)].filter(leaves);
}

export const streamsAboutPeople = (plan: NodePlan): readonly StreamPlan[] =>
  streamsThatLeave(plan).filter(({ sensitivity }) => sensitivity !== "environmental");

/** The stream of people whose readings are kept longest: until its window is closed. Null: none are kept. */
export function longestKept({ sensors }: NodePlan): StreamPlan | null {
  const isKept = ({ sensitivity, from, policy, group }: StreamPlan): boolean =>
    sensitivity !== "environmental" && from === null && (policy.is !== "withheld" || group !== null);
  const kept = sensors.filter(({ enabled }) => enabled).flatMap(({ streams }) => streams.filter(isKept));
  const lengthOf = ({ windowMs, latenessMs }: StreamPlan): number => windowMs + latenessMs;
  return kept.toSorted((a, b) => lengthOf(b) - lengthOf(a))[0] ?? null;
}

/** The host that the node sends to. */
export const brokerHost = ({ broker }: NodePlan): string => new URL(broker.url).hostname;

export const isEncrypted = ({ broker }: NodePlan): boolean => broker.url.startsWith("mqtts:");

/** How a stream leaves, in one sentence for people who do not know what a policy is. */
export function leavesAs(stream: StreamPlan, language: Language): string {
  const { policy, windowMs, from } = stream;
  const window = perWords(windowMs, language);
  const isDutch = language === "nl";
  if (from !== null)
    return isDutch ? `optelling per ${window} van wat ${from.stream} publiceerde` : `sum per ${window} of what ${from.stream} published`;
  switch (policy.is) {
    case "open":
      return isDutch ? `statistiek per ${window}` : `statistics per ${window}`;
    case "noised": {
      const epsilon = decimalWords(epsilonText(policy.epsilonMicro), language);
      return isDutch
        ? `aantallen per ${window}, met toevallige ruis (epsilon ${epsilon})`
        : `counts per ${window}, with random noise (epsilon ${epsilon})`;
    }
    case "minimum-count":
      return isDutch
        ? `aantallen per ${window}; minder dan ${policy.k} wordt verzwegen`
        : `counts per ${window}; fewer than ${policy.k} are withheld`;
    case "group": {
      const count = policy.members.length;
      return isDutch
        ? `één getal per ${window} over ${count} meters of vakken samen`
        : `one number per ${window} over ${count} meters or bays together`;
    }
    case "withheld":
      return isDutch ? "verlaat de node niet" : "does not leave the node";
    default:
      return unreachable(policy);
  }
}

/** Names of accounts that the operator declares to see other people than the rest, with their sensors. */
export function declaredAccounts(plan: NodePlan): readonly { readonly account: string; readonly sensors: readonly string[] }[] {
  const streams = streamsAboutPeople(plan);
  const accounts = [...new Set(streams.map(({ account }) => account))];
  if (accounts.length < 2) return [];
  return accounts.map((account) => ({
    account,
    sensors: [...new Set(streams.filter((stream) => stream.account === account).map(({ sensor }) => sensor))],
  }));
}

/** Quantities of these streams in words, each once. */
export const quantitiesOf = (streams: readonly StreamPlan[], language: Language): readonly string[] => [
  ...new Set(streams.map(({ channel }) => quantityWords(channel.quantity, language))),
];

/** Whether readings of a sensor are made up or played back. */
export const isSimulated = ({ port }: SensorPlan): boolean => port.is === "replay" || port.is === "simulator";
