import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What becomes of bytes between a node and its broker. */
export type Weather =
  | "fair"
  /** Nothing arrives in either direction any more, and nobody is told: a half-open connection. */
  | "silence"
  /** The broker hears the node, the node does not hear the broker. */
  | "deaf";

interface Pair {
  readonly node: Socket;
  readonly broker: Socket;
}

/** A line between nodes and a broker that can go bad. What it swallowed stays swallowed. New connections have the weather of now. */
export class TcpProxy {
  weather: Weather = "fair";
  /** Port on loopback that new connections are led to. */
  target: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.target = port;
    server.on("connection", (node) => this.#join(node, connect(this.target, "127.0.0.1")));
  }

  /** A proxy on loopback before the broker on `port`. */
  static async start(port: number): Promise<TcpProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new TcpProxy(server, port);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get open(): number {
    return this.#pairs.size;
  }

  /** RST to both ends of every connection. */
  reset(): void {
    for (const { node, broker } of this.#pairs) {
      node.resetAndDestroy();
      broker.resetAndDestroy();
    }
  }

  async stop(): Promise<void> {
    this.reset();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(node: Socket, broker: Socket): void {
    const pair = { node, broker };
    this.#pairs.add(pair);
    broker.setNoDelay(true);
    node.on("data", (bytes) => {
      if (this.weather !== "silence") broker.write(bytes);
    });
    broker.on("data", (bytes) => {
      if (this.weather === "fair") node.write(bytes);
    });
    for (const [from, to] of [
      [node, broker],
      [broker, node],
    ] as const) {
      from.on("error", () => {});
      from.on("close", () => {
        if (from.destroyed && to.destroyed) this.#pairs.delete(pair);
        // In bad weather the other end is not told: it keeps a connection that nobody is on.
        if (this.weather === "fair") to.destroy();
      });
    }
  }
}
