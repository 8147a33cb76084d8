import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createPinoEvents } from "../adapters/pino-events.ts";
import { formatProblem } from "../config/problem.ts";
import { type Command, EXIT, type Output } from "./command.ts";
import { planFile } from "./node-file.ts";
import { startService } from "./service.ts";
import { summaryLine } from "./summary-line.ts";

const DEMO_FILE = fileURLToPath(new URL("../../../config/demo.yaml", import.meta.url));
const MQTT_PORT = 1883;

export const demo: Command = {
  name: "demo",
  says: "show a node with four sensors and a broker of its own, until Ctrl-C",
  takes: "",
  wordsMax: 0,
  options: { for: { type: "string", value: "SECONDS", says: "stop after so many seconds" } },
  example: "npm start",
  async run(typed, output) {
    const { plan, problems, rev } = await planFile(DEMO_FILE);
    for (const problem of problems) output.err(formatProblem(problem));
    if (plan === null) return EXIT.config;
    const directory = await mkdtemp(join(tmpdir(), "stoep-demo-"));
    const broker = await startDemoBroker((topic, payload) => {
      if (topic.endsWith("/summary")) output.out(summaryLine(payload));
    });
    try {
      const service = await startService({
        plan: { ...plan, broker: { ...plan.broker, url: broker.url }, storage: { ...plan.storage, directory } },
        file: DEMO_FILE,
        rev,
        events: (clock) => createPinoEvents(clock, plan.log.level),
        fatal: (why) => output.err(why),
      });
      welcome(output, broker.url, service.node.topics, plan.sensors.length);
      const why = await untilAsked(typed.text("for"));
      const { pending, openWindows } = await service.stop(why);
      output.out("");
      output.out(
        `Stopped. ${pending === 0 ? "Every summary that was made reached the broker" : `${pending} summaries did not reach the broker`}.`,
      );
      output.out(`Windows that were still open: ${openWindows.length}; their readings were in memory and are gone.`);
      output.out("(A service keeps them in /run/stoep and goes on where it was.)");
      return EXIT.ok;
    } finally {
      await broker.close();
      await rm(directory, { recursive: true, force: true });
    }
  },
};

function welcome(output: Output, url: string, topics: string, sensors: number): void {
  const { hostname, port } = new URL(url);
  output.out(`A node with ${sensors} sensors, from captures, through their real drivers. Windows of 10 s; the first ends in a moment.`);
  output.out(`Its broker listens on this machine. To subscribe:  mosquitto_sub -h ${hostname} -p ${port} -t '${topics}' -v`);
  output.out("Each line below is one summary, as a subscriber receives it. Ctrl-C stops.");
  output.out("");
}

function untilAsked(seconds: string | null): Promise<string> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve("SIGINT"));
    process.once("SIGTERM", () => resolve("SIGTERM"));
    if (seconds !== null) setTimeout(() => resolve("the time is up"), Number(seconds) * 1_000);
  });
}

interface DemoBroker {
  readonly url: string;
  close(): Promise<void>;
}

/** A broker for loopback only; aedes is a development dependency and speaks MQTT 3.1.1. */
async function startDemoBroker(onMessage: (topic: string, payload: Uint8Array) => void): Promise<DemoBroker> {
  const { Aedes } = await import("aedes");
  const aedes = await Aedes.createBroker();
  aedes.on("publish", (packet, client) => {
    if (client !== null) onMessage(packet.topic, Buffer.from(packet.payload));
  });
  const server = createServer(aedes.handle);
  const port = await listen(server);
  return {
    url: `mqtt://127.0.0.1:${port}`,
    close: async () => {
      await new Promise<void>((closed) => aedes.close(() => closed()));
      await new Promise<void>((closed) => server.close(() => closed()));
    },
  };
}

/** The usual port, or any other where that one is taken. */
async function listen(server: Server): Promise<number> {
  for (const port of [MQTT_PORT, 0]) {
    server.listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
      return (server.address() as AddressInfo).port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
  throw new Error("no port is free on 127.0.0.1");
}
