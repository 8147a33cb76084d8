import type { OutboxStanding } from "../../ports/outbox.ts";
import { SPEED_CANARY, TILL_CANARY } from "./devices.ts";
import { noiseIsThere, statisticsAreRight, windowsAreThere } from "./exactness.ts";
import type { HeardSummary, Invariant, Observation } from "./observation.ts";
import { PEOPLE_WINDOW_MS } from "./scenario.ts";

/** The most that an outbox may hold in a world of an hour or two: far more than all its summaries. */
const PENDING_ROWS_MAX = 20_000;
/** Live readings of a few sensors over an hour of waiting for the clock: below this by a factor of three. */
const LIVE_BYTES_MAX = 32 * 1024 * 1024;
/** All noised streams of an account together (CONTRACT §1, default of privacy.epsilonPerEvent); 1e-9: sums of decimals. */
const EPSILON_MAX = 1 + 1e-9;
/** MQTT 5 §2.4: the node sent more at once than the broker takes. */
const BREACH = "receive-maximum-exceeded";

const resentAsItWas: Invariant = {
  name: "P3 a summary is sent again as it was made, and P4 no id has two values",
  watch: () => {
    const texts = new Map<string, string>();
    return onHeard(({ instance, id, text }) => {
      const known = texts.get(`${instance} ${id}`);
      texts.set(`${instance} ${id}`, text);
      return known === undefined || known === text ? null : `${id} was told twice, unlike:\n    ${known}\n    ${text}`;
    });
  },
};

const numbersAreTaken: Invariant = {
  name: "P3 a number belongs to one summary",
  watch: () => {
    const ids = new Map<string, string>();
    return onHeard(({ instance, seq, id }) => {
      const known = ids.get(`${instance} ${seq}`);
      ids.set(`${instance} ${seq}`, id);
      return known === undefined || known === id ? null : `number ${seq} belongs to ${known} and to ${id}`;
    });
  },
};

const settledIsThere: Invariant = {
  name: "P3 what counts as delivered has arrived",
  watch: () => {
    const heard = new Set<string>();
    let instance = "";
    let checkedTo = 0;
    const missing = (of: string, { lastSeq, firstUnackedSeq, lost }: OutboxStanding): string | null => {
      if (of !== instance) checkedTo = 0;
      instance = of;
      for (; checkedTo < (firstUnackedSeq ?? lastSeq + 1) - 1; checkedTo++) {
        const seq = checkedTo + 1;
        const isLost = lost.some(({ fromSeq, toSeq }) => fromSeq <= seq && seq <= toSeq);
        if (!isLost && !heard.has(`${of} ${seq}`)) return `summary ${seq} counts as delivered, and the broker does not have it`;
      }
      return null;
    };
    return (observation) => {
      if (observation.type === "heard") heard.add(`${observation.summary.instance} ${observation.summary.seq}`);
      if (observation.type === "opened" || observation.type === "status" || observation.type === "end")
        return missing(observation.instance, observation.standing);
      return null;
    };
  },
};

const committedBeforeSent: Invariant = {
  name: "P3 what was sent is still known after a crash",
  watch: () => {
    const lastHeard = new Map<string, number>();
    let last: { readonly instance: string; readonly run: number } | null = null;
    return (observation) => {
      if (observation.type === "heard") {
        const { instance, seq } = observation.summary;
        lastHeard.set(instance, Math.max(seq, lastHeard.get(instance) ?? 0));
      }
      if (observation.type !== "opened") return null;
      const { instance, run, standing } = observation;
      const heard = lastHeard.get(instance) ?? 0;
      const before = last;
      last = { instance, run };
      if (standing.lastSeq < heard) return `summary ${heard} was sent, and the outbox goes to ${standing.lastSeq} only`;
      if (before !== null && before.instance !== instance) return `the store ${before.instance} is gone, ${instance} is in its place`;
      return before !== null && run <= before.run ? `run ${run} follows run ${before.run}` : null;
    };
  },
};

const chainHolds: Invariant = {
  name: "P5 each window of a stream follows the one before",
  watch: ({ isBlurred }) => {
    const chains = new Map<string, Map<number, HeardSummary>>();
    const skipped = new Set<string>();
    const gap = (before: HeardSummary | undefined, one: HeardSummary): string | null => {
      if (before === undefined) return one.prev === null ? null : `${one.id} says that ${one.prev} came before it, which nobody heard of`;
      if (one.prev === null || Date.parse(one.prev) !== before.startMs)
        return `${one.id} says ${one.prev} came before, it was ${before.id}`;
      if (one.startMs <= before.startMs) return `${one.id} follows ${before.id}`;
      const isHole = one.startMs > before.endMs && !skipped.has(one.streamId) && !isBlurred(before.endMs, one.startMs);
      return isHole ? `between ${before.id} and ${one.id} there is nothing, and nothing was said of it` : null;
    };
    return (observation) => {
      if (observation.type === "event" && observation.event.type === "WindowsSkipped") skipped.add(observation.event.stream);
      if (observation.type === "heard") {
        const { instance, streamId, seq } = observation.summary;
        const key = `${instance} ${streamId}`;
        chains.set(key, (chains.get(key) ?? new Map<number, HeardSummary>()).set(seq, observation.summary));
      }
      if (observation.type !== "end" || observation.standing.lost.length > 0) return null;
      for (const chain of chains.values()) {
        const inOrder = [...chain.values()].toSorted((a, b) => a.seq - b.seq);
        for (const [index, one] of inOrder.entries()) {
          const problem = gap(inOrder[index - 1], one);
          if (problem !== null) return problem;
        }
      }
      return null;
    };
  },
};

const departuresAreLogged: Invariant = {
  name: "P5 the egress log names what left, and nothing else",
  watch: () => {
    const heard = new Map<string, Set<number>>();
    return (observation) => {
      if (observation.type === "heard") {
        const { instance, seq } = observation.summary;
        heard.set(instance, (heard.get(instance) ?? new Set()).add(seq));
      }
      if (observation.type !== "end" || observation.departures === null) return null;
      const left = heard.get(observation.instance) ?? new Set();
      const logged = new Set<number>();
      for (const { fromSeq, toSeq } of observation.departures) for (let seq = fromSeq ?? 1; seq <= (toSeq ?? 0); seq++) logged.add(seq);
      const isLost = (seq: number): boolean => observation.standing.lost.some(({ fromSeq, toSeq }) => fromSeq <= seq && seq <= toSeq);
      const silent = [...left].find((seq) => !logged.has(seq) && !isLost(seq));
      if (silent !== undefined) return `summary ${silent} left, and the egress log does not say so`;
      const invented = [...logged].find((seq) => !left.has(seq));
      return invented === undefined ? null : `the egress log says that summary ${invented} left, and the broker does not have it`;
    };
  },
};

/** What a status tells for a day after it was over. */
const REMEMBERED: readonly string[] = ["SUMMARIES_LOST", "CLOCK_LEAPT"];

const drains: Invariant = {
  name: "liveness: when faults are over the outbox drains and everybody is well",
  watch: () => (observation) => {
    if (observation.type !== "end") return null;
    const { standing, local } = observation;
    if (standing.pendingRows > 0) return `${standing.pendingRows} rows still wait, the first is summary ${standing.firstUnackedSeq}`;
    const ill = Object.entries(local.sensors).filter(([, { state }]) => state !== "ok");
    if (ill.length > 0) return `sensors are not well: ${ill.map(([id, { state, trouble }]) => `${id} ${state} ${trouble}`).join(", ")}`;
    const wrong = local.status.problems.filter(({ code }) => !REMEMBERED.includes(code));
    return wrong.length === 0 ? null : `the node is ${local.status.health}: ${wrong.map(({ code }) => code).join(", ")}`;
  },
};

const booksBalance: Invariant = {
  name: "P5 what is not passed on is counted, and the counts balance",
  watch: () => (observation) => {
    if (observation.type === "event" && (observation.event.type === "BalanceBroken" || observation.event.type === "StatisticFailed"))
      return JSON.stringify(observation.event);
    if (observation.type !== "status" && observation.type !== "end") return null;
    const unbalanced = Object.entries(observation.local.sensors).filter(([, { balanced }]) => !balanced);
    return unbalanced.length === 0 ? null : `unbalanced: ${JSON.stringify(unbalanced)}`;
  },
};

const timeIsHonest: Invariant = {
  name: "P7 no window is labelled with a clock that was not trusted",
  watch: (truth) => (observation) => {
    if (observation.type === "event" && observation.event.type === "SummaryMade" && !truth.wasTrusted())
      return `a summary was made while nobody vouched for the clock: ${JSON.stringify(observation.event)}`;
    if (observation.type !== "heard") return null;
    const { id, endMs } = observation.summary;
    if (endMs > truth.latestWallMs()) return `${id} ends later than any clock that was trusted`;
    return endMs < truth.earliestWallMs() ? `${id} ends before any clock that was trusted began` : null;
  },
};

const budgetHolds: Invariant = {
  name: "P4 what is told of an instant costs no more than its budget",
  watch: () => {
    const seen = new Set<string>();
    const spent = new Map<string, number>();
    return onHeard(({ instance, id, startMs, endMs, reason, privacy }) => {
      const { epsilon = 0 } = privacy;
      // Direct windows of people have one length and one lattice here; longer ones are made of what was told, and cost nothing.
      const isDirect = endMs - startMs === PEOPLE_WINDOW_MS && privacy.policy === "noised";
      if (seen.has(`${instance} ${id}`) || reason !== undefined || !isDirect) return null;
      seen.add(`${instance} ${id}`);
      const sum = (spent.get(`${startMs}`) ?? 0) + epsilon;
      spent.set(`${startMs}`, sum);
      return sum > EPSILON_MAX ? `with ${id} the window has cost ${sum}` : null;
    });
  },
};

const drawnOnce: Invariant = {
  name: "P4 noise is drawn once for the same readings",
  watch: () => {
    const drawn = new Set<string>();
    return (observation) => {
      if (observation.type !== "drawn") return null;
      if (drawn.has(observation.what)) return `drawn for a second time: ${observation.what}`;
      drawn.add(observation.what);
      return null;
    };
  },
};

const canaries = [TILL_CANARY, SPEED_CANARY];

const onlySummariesLeave: Invariant = {
  name: "P1 nothing that somebody said or did leaves as it was",
  watch: () => (observation) => {
    const text = observation.type === "told" ? observation.text : observation.type === "heard" ? observation.summary.text : null;
    const found = text === null ? undefined : canaries.find((canary) => text.includes(canary.slice(0, -2)));
    return found === undefined ? null : `${found} stands in ${text}`;
  },
};

const needles = canaries.flatMap((canary) => {
  const digits = new TextEncoder().encode(canary);
  const [little, big] = [new Uint8Array(8), new Uint8Array(8)];
  new DataView(little.buffer).setFloat64(0, Number(canary), true);
  new DataView(big.buffer).setFloat64(0, Number(canary), false);
  return [digits, little, big].map((bytes) => ({ canary, bytes }));
});

const nothingOnTheCard: Invariant = {
  name: "P2 nothing of people is on the card",
  watch: () => (observation) => {
    if (observation.type !== "card") return null;
    const found = needles.find(({ bytes }) => observation.files.some((file) => holds(file, bytes)));
    return found === undefined ? null : `${found.canary} stands in a file of the card`;
  },
};

const onePlace: Invariant = {
  name: "P8 one connection at a time",
  watch: () => (observation) =>
    observation.type === "links" && observation.count > 1 ? `${observation.count} connections are open` : null,
};

const bounded: Invariant = {
  name: "queues are bounded, and the broker is not given more than it takes",
  watch: () => (observation) => {
    if (observation.type === "event" && observation.event.type === "BrokerDisconnected" && observation.event.detail === BREACH)
      return "the broker threw the node out for sending too much at once";
    if (observation.type !== "status") return null;
    const { pendingRows, pendingBytes } = observation.standing;
    if (pendingRows > PENDING_ROWS_MAX) return `${pendingRows} rows (${pendingBytes} bytes) wait`;
    const live = observation.local.live.bytes ?? 0;
    return live > LIVE_BYTES_MAX ? `the live store holds ${live} bytes` : null;
  },
};

const staysAlive: Invariant = {
  name: "P6 trouble stays local: the process does not die of it",
  watch: () => (observation) => {
    if (observation.type === "died") return observation.of;
    return observation.type === "event" && observation.event.type === "DriverThrew" ? JSON.stringify(observation.event) : null;
  },
};

/** What must hold in every simulated world, at every step. */
export const INVARIANTS: readonly Invariant[] = [
  staysAlive,
  onlySummariesLeave,
  nothingOnTheCard,
  resentAsItWas,
  numbersAreTaken,
  settledIsThere,
  departuresAreLogged,
  committedBeforeSent,
  drawnOnce,
  budgetHolds,
  noiseIsThere,
  booksBalance,
  chainHolds,
  statisticsAreRight,
  windowsAreThere,
  timeIsHonest,
  onePlace,
  bounded,
  drains,
];

function onHeard(look: (summary: HeardSummary) => string | null): (observation: Observation) => string | null {
  return (observation) => (observation.type === "heard" ? look(observation.summary) : null);
}

function holds(hay: Uint8Array, needle: Uint8Array): boolean {
  const [first] = needle;
  for (let at = hay.indexOf(first as number); at >= 0; at = hay.indexOf(first as number, at + 1)) {
    let length = 1;
    while (length < needle.length && hay[at + length] === needle[length]) length++;
    if (length === needle.length) return true;
  }
  return false;
}
