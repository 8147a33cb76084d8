import { expect, it, onTestFinished } from "vitest";
import { DeliveryRig, doubled, idsIn } from "../support/delivery-rig.ts";
import { Subscriber } from "../support/subscriber.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";
import { hasRabbitmq, RabbitCluster } from "./rabbitmq.ts";

const NO_RABBITMQ = "rabbitmq-server is not installed: apt-get install rabbitmq-server";
const NODES = 5;
const ROWS = 200;
const SESSION = { clientId: "witness", clean: false, protocolVersion: 4 } as const;

it("loses nothing when the member of a cluster that the nodes are connected to is killed", async (context) => {
  if (!hasRabbitmq) {
    console.warn(`test:cluster: skipped: ${NO_RABBITMQ}`);
    context.skip(NO_RABBITMQ);
  }
  const cluster = await RabbitCluster.start();
  onTestFinished(() => cluster.stop());
  const [witnessed, used, spare] = cluster.members;
  if (witnessed === undefined || used === undefined || spare === undefined) throw new Error("a cluster has three members");
  expect(await cluster.running()).toHaveLength(3);

  // What a city has before its cluster: one address, behind which a member is.
  const balancer = await TcpProxy.start(used.mqttPort);
  onTestFinished(() => balancer.stop());
  const witness = await Subscriber.start(`mqtt://127.0.0.1:${witnessed.mqttPort}`, "rig/#", SESSION);
  onTestFinished(() => witness.stop());
  const rigs: DeliveryRig[] = [];
  for (let node = 0; node < NODES; node++) {
    const rig = await DeliveryRig.start(`n${node}`, { url: balancer.url, protocol: 4 }, { inFlightMax: 10 });
    rigs.push(rig);
    onTestFinished(() => rig.stop());
  }
  for (const rig of rigs) await rig.untilUp();
  for (const rig of rigs) await rig.add(...Array.from({ length: ROWS }, () => ({})));
  await until(() => idsIn(witness.messages).length > (NODES * ROWS) / 4, "a part of it", 60_000);
  await used.kill9(); // in the middle of it
  balancer.target = spare.mqttPort;
  balancer.reset();
  for (const rig of rigs) await rig.add(...Array.from({ length: ROWS }, () => ({})));
  await until(() => rigs.every(({ pending }) => pending === 0), "drained over the spare one", 120_000);
  expect(rigs.every(({ connectedAtMs }) => connectedAtMs.length >= 2)).toBe(true);
  const made = rigs.flatMap(({ ids }) => ids);
  await until(() => new Set(idsIn(witness.messages)).size === made.length, "all of it", 60_000);
  expect(new Set(idsIn(witness.messages))).toEqual(new Set(made));
  expect(doubled(idsIn(witness.messages)), "at most what was under way").toBeLessThanOrEqual(NODES * 10);
  expect(await cluster.running()).toEqual([witnessed.name, spare.name].sort());
});
