import { NODE_ACCOUNT } from "../core/reading/stream.ts";
import { type EpsilonMicro, epsilonMicro, epsilonText, parseEpsilon } from "../core/units/epsilon.ts";
import type { PlanReport } from "./plan-report.ts";
import type { Path } from "./problem.ts";
import type { NodeConfig } from "./schema.ts";
import { listed } from "./suggest.ts";

/** What a noised stream may spend on one release. */
export interface Allotment {
  readonly epsilonMicro: EpsilonMicro;
  /** What all noised streams of the account spend together on one event. */
  readonly accountMicro: EpsilonMicro;
}

/** Proposals are in hundredths, where there is that much. */
const PROPOSAL_MICRO = 10_000;

/** The allotment of a noised stream, by `<sensor>.<stream>`. */
export type Budgets = ReadonlyMap<string, Allotment>;

/** One stream of people that leaves, as the file says it. */
interface Spender {
  readonly id: string;
  readonly path: Path;
  readonly account: string;
  readonly enabled: boolean;
  readonly policy: "noised" | "minimum-count";
  readonly epsilonMicro: EpsilonMicro | null;
}

/**
 * Shares out the budget of each account: an event costs what all noised streams of the account together tell about it, and that
 * may be no more than `privacy.epsilonPerEvent`. Sensors that are not enabled spend nothing, and get what they would get alone.
 */
export function allotBudgets(config: NodeConfig, report: PlanReport): Budgets {
  const cap = parseEpsilon(config.privacy.epsilonPerEvent) ?? epsilonMicro(0);
  const budgets = new Map<string, Allotment>();
  const spenders = spendersOf(config);
  for (const account of new Set(spenders.map((one) => one.account))) {
    const members = spenders.filter((one) => one.account === account);
    refuseMixture(
      account,
      members.filter(({ enabled }) => enabled),
      report,
    );
    const noised = members.filter(({ policy }) => policy === "noised");
    for (const allotment of allot(
      account,
      noised.filter(({ enabled }) => enabled),
      cap,
      report,
    ))
      budgets.set(...allotment);
    for (const idle of noised.filter(({ enabled }) => !enabled)) {
      for (const allotment of allot(account, [idle], cap, report)) budgets.set(...allotment);
    }
  }
  return budgets;
}

function spendersOf({ sensors }: NodeConfig): readonly Spender[] {
  return Object.entries(sensors).flatMap(([sensor, { streams = {}, account = NODE_ACCOUNT, enabled }]) =>
    Object.entries(streams).flatMap(([name, { policy, epsilon, from }]) => {
      if ((policy !== "noised" && policy !== "minimum-count") || from !== undefined) return [];
      const path = ["sensors", sensor, "streams", name];
      return [
        { id: `${sensor}.${name}`, path, account, enabled, policy, epsilonMicro: epsilon === undefined ? null : parseEpsilon(epsilon) },
      ];
    }),
  );
}

/** Counts of the same people, once exact and once noised, would give the noise away. */
function refuseMixture(account: string, members: readonly Spender[], report: PlanReport): void {
  const noised = members.find(({ policy }) => policy === "noised");
  if (noised === undefined) return;
  for (const { policy, path } of members) {
    if (policy === "noised") continue;
    const remedy = "use one policy for both, or give a sensor that sees other people an account: of its own";
    report.error(
      [...path, "policy"],
      `minimum-count cannot stand beside ${noised.id}, which is noised, in account "${account}": ${remedy}`,
    );
  }
}

/** What each stream gets: what it asks for; one that asks for nothing gets what is left. */
function allot(account: string, noised: readonly Spender[], cap: EpsilonMicro, report: PlanReport): readonly [string, Allotment][] {
  const open = noised.filter(({ epsilonMicro: asked }) => asked === null);
  const spent = noised.reduce((sum, { epsilonMicro: asked }) => sum + (asked ?? 0), 0);
  const last = noised.at(-1);
  if (last === undefined) return [];
  if (open.length > 1) {
    for (const { path } of open.slice(1)) report.error([...path, "epsilon"], `is missing: ${sharing(account, noised, cap)}`, "key");
    return [];
  }
  const left = cap - spent;
  if (left < open.length) {
    const where = last.epsilonMicro === null ? "key" : "value";
    const sum = `${listed(
      noised.map(({ id, epsilonMicro: asked }) => `${id} ${asked === null ? "what is left" : epsilonText(asked)}`),
      "and",
    )}`;
    report.error([...last.path, "epsilon"], `goes beyond the budget (${sum}): ${sharing(account, noised, cap)}`, where);
    return [];
  }
  const accountMicro = epsilonMicro(open.length > 0 ? cap : spent);
  return noised.map(({ id, epsilonMicro: asked }) => [id, { epsilonMicro: asked ?? epsilonMicro(left), accountMicro }]);
}

/** `the 2 noised streams of account "node" share privacy.epsilonPerEvent 1; a proposal is epsilon: 0.5 for each`. */
function sharing(account: string, noised: readonly Spender[], cap: EpsilonMicro): string {
  const share = cap / noised.length;
  const each = epsilonMicro(share >= PROPOSAL_MICRO ? Math.floor(share / PROPOSAL_MICRO) * PROPOSAL_MICRO : Math.floor(share));
  const who = noised.length === 1 ? "the noised stream" : `the ${noised.length} noised streams`;
  const proposal = `a proposal is epsilon: ${epsilonText(each)}${
    noised.length === 1
      ? ""
      : ` for each of ${listed(
          noised.map(({ id }) => id),
          "and",
        )}`
  }`;
  return `${who} of account "${account}" may spend ${epsilonText(cap)} on one event (privacy.epsilonPerEvent); ${proposal}`;
}
