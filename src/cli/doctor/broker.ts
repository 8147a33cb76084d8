import { BrokerProbe, hex, ProbeError } from "../../adapters/mqtt/broker-probe.ts";
import type { MqttBrokerOptions } from "../../adapters/mqtt/mqtt-broker.ts";
import { TlsFilesError } from "../../adapters/mqtt/tls-files.ts";
import { SecretError } from "../../adapters/secrets.ts";
import type { NodePlan } from "../../config/plan.ts";
import { failureRemedy } from "../../core/residency/failure-remedies.ts";
import type { ConnectionReport } from "../../runtime/connection-desk.ts";
import { advice, broken, type Finding, ok, skipped } from "./finding.ts";

// A probe connects beside the node, under another client id, and publishes numbered texts below `PREFIX/NODE/doctor`, which no
// subscriber of summaries sees. Nothing of a sensor is in them.

/** MQTT 5 §3.4.2.1 and §3.2.2.2. */
const NO_SUBSCRIBER = 0x10;
const NOT_AUTHORISED = 0x87;
const GRANTED_MAX = 2;

/** More than what mosquitto keeps for a subscriber that is away unless it is told otherwise (max_queued_messages, 1000). */
const QUEUE_MESSAGES = 1_100;
const RESTART_MESSAGES = 20;
/** How long a session waits, for the second half of the restart test as well. */
const KEEP_SECONDS = 3_600;
const QUIET_MS = 500;

/** How the broker is tried, and as what. */
export interface BrokerTrial {
  readonly plan: NodePlan;
  readonly options: MqttBrokerOptions;
}

/** The connection: as the running node says, and by one of our own. */
export async function examineBroker({ plan, options }: BrokerTrial, running: ConnectionReport | null): Promise<readonly Finding[]> {
  const { node, broker } = plan;
  const said = running === null ? [] : [asTheNodeSays(running), ...whoListens(running, plan)];
  try {
    const probe = await BrokerProbe.connect(options, `${node.id}-doctor`);
    const { address, tls, packetBytesMax } = probe.facts;
    await probe.close();
    const security = tls === null ? "without TLS" : `${tls.protocol}, certificate until ${tls.validTo}`;
    const limit = packetBytesMax === null ? "" : `, packets up to ${packetBytesMax} bytes`;
    return [...said, ok("broker", `${broker.url} answers from ${address}, ${security}${limit}`)];
  } catch (error) {
    return [...said, failed("broker", broker.url, error)];
  }
}

function asTheNodeSays({ isUp, address, trouble }: ConnectionReport): Finding {
  if (isUp) return ok("uplink", `the running node is connected to ${address}`);
  return broken("uplink", `the running node is not connected${trouble === null ? "" : `: ${trouble}`}`, "see broker below");
}

function whoListens({ isUp, isHeard }: ConnectionReport, { broker, node }: NodePlan): readonly Finding[] {
  const what = "subscribers";
  if (broker.protocol === 4) return [skipped(what, "MQTT 3.1.1 does not say whether anybody listens", "broker.protocol: 5")];
  if (!isUp || isHeard === null) return [skipped(what, "nothing was published yet")];
  if (isHeard) return [ok(what, "somebody listens to what the node publishes")];
  const remedy = `mosquitto_sub -t '${broker.prefix}/${node.id}/#' on the broker's side; mosquitto before 2.0.20 may say so wrongly`;
  return [advice(what, "the broker has nobody who subscribed to what the node published last", remedy)];
}

function failed(what: string, url: string, error: unknown): Finding {
  if (error instanceof SecretError || error instanceof TlsFilesError) return broken(what, error.message, error.remedy);
  if (!(error instanceof ProbeError)) throw error;
  if (error.is === "refused") return broken(what, `${url} refuses with ${error.code}`, REFUSED[error.code] ?? "see the log of the broker");
  const remedy = NETWORK[error.code] ?? failureRemedy(error.code) ?? UPLINK;
  return broken(what, `${url}: ${error.code}`, remedy);
}

const UPLINK = "look at the uplink, the name and the port, and whether the broker is up";
const REFUSED: Readonly<Record<string, string>> = {
  "0x84": "the broker does not speak MQTT 5: broker.protocol: 4",
  "0x85": "the broker does not take the client id NODE-doctor; allow it, or look at the uplink of the running node instead",
  "0x86": "check broker.username and broker.password",
  "0x87": "let the broker's ACL allow this user and the client id NODE-doctor",
  "0x88": "the broker is up and not ready: try later",
};
/** Where the doctor, which does not know whether the clock is trusted, says more than the node. */
const NETWORK: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "renew the broker's certificate; or set the clock first (timedatectl): with a wrong one no certificate is in its time",
};

/** The tests that publish: may the node write its topics, and no others; and does the broker keep what it acknowledged. */
export async function tryBroker(trial: BrokerTrial): Promise<readonly Finding[]> {
  try {
    const topics = await tryTopics(trial);
    return [...topics, await tryQueue(trial)];
  } catch (error) {
    return [failed("broker tests", trial.plan.broker.url, error)];
  }
}

const ownTopic = ({ broker, node }: NodePlan): string => `${broker.prefix}/${node.id}/doctor`;

async function tryTopics({ plan, options }: BrokerTrial): Promise<readonly Finding[]> {
  const { broker, node } = plan;
  const probe = await BrokerProbe.connect(options, `${node.id}-doctor`);
  try {
    const own = await probe.publish(ownTopic(plan), "stoep doctor");
    const foreign = await probe.publish(`${broker.prefix}/not-${node.id}/doctor`, "stoep doctor: this should have been refused");
    return [judgeOwn(own, ownTopic(plan), broker.protocol), judgeForeign(foreign, node.id, broker)];
  } finally {
    await probe.close();
  }
}

function judgeOwn(reason: number, topic: string, protocol: 4 | 5): Finding {
  if (protocol === 4) return skipped("own topics", "MQTT 3.1.1 does not say whether a message was taken", "broker.protocol: 5");
  if (reason === 0 || reason === NO_SUBSCRIBER) return ok("own topics", `the node may write ${topic}`);
  return broken("own topics", `${topic} is refused with ${hex(reason)}`, "mosquitto: `pattern write PREFIX/%u/#` in the ACL file");
}

function judgeForeign(reason: number, id: string, { prefix, protocol }: NodePlan["broker"]): Finding {
  if (protocol === 4) return skipped("denied topic", "MQTT 3.1.1 does not say whether a message was taken", "broker.protocol: 5");
  if (reason === NOT_AUTHORISED) return ok("denied topic", "the broker refuses topics of other nodes");
  const remedy = `let the ACL allow each node its own only (mosquitto: pattern write ${prefix}/%u/#, with use_identity_as_username)`;
  return advice("denied topic", `the broker lets ${id} write as another node`, remedy);
}

/** Leaves a session behind, publishes to it while it is away, and counts what waited. */
async function tryQueue(trial: BrokerTrial): Promise<Finding> {
  const name = `${trial.plan.node.id}-doctor-queue`;
  const what = "queue";
  if (!(await leaveSession(trial, name))) return noReading(what);
  await publishNumbers(trial, QUEUE_MESSAGES);
  const got = await fetchNumbers(trial, name);
  if (got >= QUEUE_MESSAGES) return ok(what, `${QUEUE_MESSAGES} messages waited for a subscriber that was away, none was dropped`);
  const remedy = "mosquitto: max_queued_messages 0, with max_queued_bytes as the limit; else a platform that is away loses summaries";
  return advice(what, `of ${QUEUE_MESSAGES} messages for a subscriber that was away the broker kept ${got}, and acknowledged all`, remedy);
}

const noReading = (what: string): Finding =>
  skipped(what, "the node may not subscribe, as it should be", "give the user of the node `topic read PREFIX/NODE/doctor` for the test");

/** First half of the restart test. */
export async function beforeRestart(trial: BrokerTrial): Promise<Finding> {
  const what = "restart";
  try {
    if (!(await leaveSession(trial, sessionOf(trial)))) return noReading(what);
    await publishNumbers(trial, RESTART_MESSAGES);
    const next = "restart the broker now (kill -9 it, to try a power cut), then: stoep doctor --after-restart";
    return skipped(what, `${RESTART_MESSAGES} messages wait at the broker for an hour`, next);
  } catch (error) {
    return failed(what, trial.plan.broker.url, error);
  }
}

/** Second half: how many are still there. */
export async function afterRestart(trial: BrokerTrial): Promise<Finding> {
  const what = "restart";
  try {
    const got = await fetchNumbers(trial, sessionOf(trial));
    if (got >= RESTART_MESSAGES) return ok(what, `all ${got} messages that were acknowledged before it are there`);
    const remedy =
      "mosquitto: persistence true, autosave_on_changes true, autosave_interval 1; what was lost of a node is sent again by " +
      "stoep outbox replay";
    return broken(what, `${got} of ${RESTART_MESSAGES} messages are there that the broker had acknowledged`, remedy);
  } catch (error) {
    return failed(what, trial.plan.broker.url, error);
  }
}

const sessionOf = ({ plan }: BrokerTrial): string => `${plan.node.id}-doctor-restart`;

/** Leaves a session for which messages wait. False: the node may not subscribe. */
async function leaveSession({ plan, options }: BrokerTrial, name: string): Promise<boolean> {
  await forgetSession(options, name);
  const probe = await BrokerProbe.connect(options, name, KEEP_SECONDS);
  const reason = await probe.subscribe(ownTopic(plan));
  await probe.close();
  if (reason > GRANTED_MAX) await forgetSession(options, name);
  return reason <= GRANTED_MAX;
}

async function forgetSession(options: MqttBrokerOptions, name: string): Promise<void> {
  const probe = await BrokerProbe.connect(options, name);
  await probe.close();
}

async function publishNumbers({ plan, options }: BrokerTrial, count: number): Promise<void> {
  const probe = await BrokerProbe.connect(options, `${plan.node.id}-doctor`);
  for (let number = 1; number <= count; number++) await probe.publish(ownTopic(plan), `stoep doctor ${number}`);
  await probe.close();
}

/** Takes up a session that was left, counts what waited, and ends it. */
async function fetchNumbers({ options }: BrokerTrial, name: string): Promise<number> {
  const probe = await BrokerProbe.connect(options, name, KEEP_SECONDS);
  const numbers = new Set(await probe.received(QUIET_MS));
  await probe.close();
  await forgetSession(options, name);
  return numbers.size;
}
