import { expect, it, onTestFinished } from "vitest";
import { DeliveryRig, doubled, idsIn } from "../support/delivery-rig.ts";
import { faultRow } from "../support/fault-table.ts";
import { openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";

const NODES = 500;
const ROWS = 4;
/** What a node abroad has: `broker.spread` and `broker.drainRate` by default. */
const ABROAD = { spreadMs: 60_000, perSecond: 20 };
/** Of the nodes, in any second of the first minute. */
const RETURN_SHARE_MAX = 0.05;
const STOP_MS_MAX = 60_000;
const SESSION = { clientId: "witness", clean: false, properties: { sessionExpiryInterval: 3_600 } };

/** The most instants within any span of a second. */
function mostInASecond(sortedMs: readonly number[]): number {
  let most = 0;
  for (const [first, atMs] of sortedMs.entries()) {
    let count = 0;
    for (let index = first; index < sortedMs.length && (sortedMs[index] as number) < atMs + 1_000; index++) count++;
    most = Math.max(most, count);
  }
  return most;
}

async function fleetAt(url: string): Promise<readonly DeliveryRig[]> {
  const rigs: DeliveryRig[] = [];
  onTestFinished(async () => {
    await Promise.all(rigs.map((rig) => rig.stop()));
  }, STOP_MS_MAX);
  for (let node = 0; node < NODES; node++) rigs.push(await DeliveryRig.start(`n${node}`, { url, keepAliveMs: 30_000 }, ABROAD));
  await until(() => rigs.every(({ publisher }) => publisher.report.isUp), "the fleet connected", 60_000);
  return rigs;
}

const addToAll = async (rigs: readonly DeliveryRig[]): Promise<void> => {
  for (const rig of rigs) await rig.add(...Array.from({ length: ROWS }, () => ({})));
};

// Real: outbox in SQLite (in memory), publisher, delivery machine, MQTT.js over TCP, mosquitto. Not in it: sensors, windows, TLS, the card;
// and the nodes share one process, whose event loop is slower than 500 of them.
it("500 nodes lose their broker in one instant and come back over a minute, with everything", { timeout: 600_000 }, async () => {
  const lab = openLab();
  const config = ["allow_anonymous true", "max_queued_messages 0", "max_connections -1"];
  const broker = await lab.mosquitto({ persistence: true, config });
  const first = await lab.subscriber(broker.url, "rig/+/+/+/summary", SESSION);
  const rigs = await fleetAt(broker.url);
  await addToAll(rigs);
  await until(() => rigs.every(({ pending }) => pending === 0), "the first rows drained", 60_000);
  await first.roundTrip();
  for (const rig of rigs) rig.connectedAtMs.length = 0;

  broker.freeze();
  await addToAll(rigs); // under way when it dies
  await broker.kill9();
  await addToAll(rigs); // made while it is away
  await broker.restart();
  const backMs = performance.now();
  const second = await lab.subscriber(broker.url, "rig/+/+/+/summary", SESSION);
  // Who came too early and met nobody waits up to two minutes from then on, and so forth.
  await until(() => rigs.every(({ pending }) => pending === 0), "the fleet drained", 400_000);
  const drainedS = (performance.now() - backMs) / 1_000;
  await second.roundTrip();

  const returns = rigs.flatMap(({ connectedAtMs }) => connectedAtMs.slice(0, 1)).sort((a, b) => a - b);
  expect(returns).toHaveLength(NODES);
  const most = mostInASecond(returns.filter((atMs) => atMs < backMs + 60_000));
  expect(most).toBeGreaterThan(0);
  expect(most / NODES).toBeLessThanOrEqual(RETURN_SHARE_MAX);
  const made = rigs.flatMap(({ ids }) => ids);
  const arrived = [...idsIn(first.messages), ...idsIn(second.messages)];
  expect(new Set(arrived).size, "nothing lost").toBe(made.length);
  expect(doubled(arrived), "nothing doubled: the broker was frozen before it died").toBe(0);
  expect(rigs.flatMap(({ lost }) => lost)).toEqual([]);
  const inAMinute = returns.filter((atMs) => atMs < backMs + 60_000).length;
  faultRow({
    fault: "Broker: killed, of a whole city",
    injected: [
      `${NODES} nodes (outbox, publisher, MQTT.js; no sensors, no TLS) on one mosquitto`,
      `kill -9 with ${NODES * ROWS} messages under way`,
    ].join(", "),
    promised: "at most 5 % of the nodes come back in any second of the first minute; nothing lost, nothing doubled",
    measured: [
      `at most ${((100 * most) / NODES).toFixed(1)} % in a second, ${((100 * inAMinute) / NODES).toFixed(0)} % within a minute`,
      `${new Set(arrived).size} of ${made.length} arrived, ${doubled(arrived)} twice, the last after ${drainedS.toFixed(0)} s`,
    ].join("; "),
  });
});

it("would notice a fleet that comes back in step", () => {
  const inStep = Array.from({ length: NODES }, (_, node) => 1_000 + (node % 500));
  expect(mostInASecond(inStep) / NODES).toBeGreaterThan(RETURN_SHARE_MAX);
  expect(mostInASecond(Array.from({ length: NODES }, (_, node) => node * 120)) / NODES).toBeLessThanOrEqual(RETURN_SHARE_MAX);
});
