import { onTestFinished } from "vitest";
import { FakeBroker, type FakeBrokerScript } from "./fake-broker.ts";
import { type Mosquitto, type MosquittoOptions, startMosquitto } from "./mosquitto.ts";
import { NodeSite, type SiteConfig } from "./node-process.ts";
import { openPtyPair, type PtyPair } from "./pty.ts";
import { Subscriber } from "./subscriber.ts";

/** What is around a node in a test: real brokers, pseudo terminals, witnesses. `close` ends all of it, the last first. */
export class Lab {
  readonly #cleanups: (() => Promise<void>)[] = [];

  async mosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
    const broker = await startMosquitto(options);
    this.#cleanups.push(() => broker.stop());
    return broker;
  }

  async fakeBroker(script: FakeBrokerScript = {}): Promise<FakeBroker> {
    const broker = await FakeBroker.start(script);
    this.#cleanups.push(() => broker.stop());
    return broker;
  }

  async pty(): Promise<PtyPair> {
    const pty = await openPtyPair();
    this.#cleanups.push(() => pty.dispose());
    return pty;
  }

  async subscriber(...parameters: Parameters<typeof Subscriber.start>): Promise<Subscriber> {
    const subscriber = await Subscriber.start(...parameters);
    this.#cleanups.push(() => subscriber.stop());
    return subscriber;
  }

  site(config: SiteConfig): NodeSite {
    const site = new NodeSite(config);
    this.#cleanups.push(() => site.dispose());
    return site;
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
  }
}

/** A lab for one test, cleared away when it is over. */
export function openLab(): Lab {
  const lab = new Lab();
  onTestFinished(() => lab.close());
  return lab;
}
