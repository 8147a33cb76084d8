import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../support/mosquitto.ts";

const run = promisify(execFile);

/** Where Debian's package has the programs; those in /usr/sbin change the user, and are of no use here. */
const PROGRAMS = "/usr/lib/rabbitmq/bin";
const server = join(PROGRAMS, "rabbitmq-server");
const control = join(PROGRAMS, "rabbitmqctl");
const MEMBERS = 3;
/** Erlang and a plugin with a consensus of its own take their time on a small machine. */
const START_MS_MAX = 120_000;

/** Whether there can be a cluster here. */
export const hasRabbitmq = existsSync(server);

/** One RabbitMQ of the cluster. */
export interface Member {
  readonly name: string;
  readonly mqttPort: number;
  /** SIGKILL. */
  kill9(): Promise<void>;
}

interface Place {
  readonly dir: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly names: readonly string[];
}

/** Three RabbitMQ with the MQTT plugin on loopback, one cluster. Everything of theirs is in one folder and ends with `stop`. */
export class RabbitCluster {
  readonly members: readonly Member[];
  readonly #place: Place;
  readonly #processes: readonly ChildProcess[];

  private constructor(members: readonly Member[], place: Place, processes: readonly ChildProcess[]) {
    this.members = members;
    this.#place = place;
    this.#processes = processes;
  }

  static async start(): Promise<RabbitCluster> {
    const dir = await mkdtemp(join(tmpdir(), "stoep-rabbitmq-"));
    const names = Array.from({ length: MEMBERS }, (_, index) => `stoep${index}@localhost`);
    // A port mapper of our own: the usual one may serve somebody else, and outlives us.
    const epmd = String(await freePort());
    const environment = {
      ...process.env,
      HOME: dir,
      ERL_EPMD_PORT: epmd,
      ERL_EPMD_ADDRESS: "127.0.0.1",
      RABBITMQ_ERLANG_COOKIE: "stoep-test",
    };
    const place = { dir, environment, names };
    await writeFile(join(dir, "enabled_plugins"), "[rabbitmq_mqtt].\n");
    const members: Member[] = [];
    const processes: ChildProcess[] = [];
    try {
      // One after the other: the first founds the cluster, the others find it.
      for (const name of names) {
        const { child, mqttPort } = await startMember(name, place);
        processes.push(child);
        members.push({ name, mqttPort, kill9: () => killed(child) });
        await run(control, ["-n", name, "await_startup", "--timeout", "100"], { env: environment });
      }
      return new RabbitCluster(members, place, processes);
    } catch (error) {
      await cleared(processes, place);
      throw error;
    }
  }

  /** Names of the members that are up, as the first one knows them. */
  async running(): Promise<readonly string[]> {
    const [first] = this.#place.names;
    const words = ["-n", first ?? "", "cluster_status", "--formatter", "json"];
    const { stdout } = await run(control, words, { env: this.#place.environment });
    return (JSON.parse(stdout.slice(stdout.indexOf("{"))) as { running_nodes: string[] }).running_nodes.sort();
  }

  stop(): Promise<void> {
    return cleared(this.#processes, this.#place);
  }
}

async function startMember(name: string, { dir, environment, names }: Place): Promise<{ child: ChildProcess; mqttPort: number }> {
  const [mqttPort, amqpPort, distributionPort] = [await freePort(), await freePort(), await freePort()];
  const own = join(dir, name);
  await mkdir(own);
  const lines = [
    `listeners.tcp.1 = 127.0.0.1:${amqpPort}`,
    `mqtt.listeners.tcp.1 = 127.0.0.1:${mqttPort}`,
    "mqtt.allow_anonymous = true",
    "cluster_formation.peer_discovery_backend = classic_config",
    ...names.map((member, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${member}`),
    // It waits at random for so long before it joins, for clusters that start at once.
    "cluster_formation.randomized_startup_delay_range.min = 0",
    "cluster_formation.randomized_startup_delay_range.max = 0",
  ];
  await writeFile(join(own, "rabbitmq.conf"), `${lines.join("\n")}\n`);
  const child = spawn(server, [], {
    env: {
      ...environment,
      RABBITMQ_NODENAME: name,
      RABBITMQ_NODE_PORT: String(amqpPort),
      RABBITMQ_DIST_PORT: String(distributionPort),
      RABBITMQ_CONFIG_FILE: join(own, "rabbitmq.conf"),
      RABBITMQ_MNESIA_BASE: join(own, "mnesia"),
      RABBITMQ_LOG_BASE: join(own, "log"),
      RABBITMQ_PID_FILE: join(own, "pid"),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, "enabled_plugins"),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
    },
    stdio: "ignore",
    detached: true, // the shell script around it, and Erlang below, are one group that can be ended
  });
  const endWithUs = (): void => endGroup(child);
  process.once("exit", endWithUs);
  child.once("exit", () => process.off("exit", endWithUs));
  await run(control, ["-n", name, "wait", join(own, "pid"), "--timeout", String(START_MS_MAX / 1_000)], { env: environment });
  return { child, mqttPort };
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // it is gone
  }
}

async function killed(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  endGroup(child);
  await exited;
}

async function cleared(processes: readonly ChildProcess[], { dir, environment }: Place): Promise<void> {
  for (const child of processes) endGroup(child);
  await run("epmd", ["-kill"], { env: environment }).catch(() => undefined); // by its port: only our own
  await rm(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
