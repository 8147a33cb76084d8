import { chmodSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";

/** What the node answers on its Unix socket: a path to a function that makes a JSON document. */
export type Routes = Readonly<Record<string, () => object>>;

/** Longest path of a Unix socket on Linux (unix(7): sun_path has 108 bytes with its end). */
const SOCKET_PATH_BYTES_MAX = 107;
const ANSWER_MS_MAX = 5_000;

/** A server that is listening. */
export interface ControlServer {
  readonly path: string;
  close(): Promise<void>;
}

/** The socket could not be opened, or nobody answers on it. */
export class ControlError extends Error {
  readonly code: "SOCKET_PATH" | "SOCKET_OPEN" | "NOT_RUNNING" | "NO_ANSWER";
  readonly remedy: string;

  constructor(code: ControlError["code"], message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ControlError";
    this.code = code;
    this.remedy = remedy;
  }
}

/**
 * Serves HTTP on a Unix socket that only the node's own user may open, so that `stoep status` and `curl --unix-socket` can ask.
 * A socket that an earlier run left behind is replaced.
 */
export function serveControl(path: string, routes: Routes): Promise<ControlServer> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    return Promise.reject(new ControlError("SOCKET_PATH", `${path} is too long for a Unix socket`, "shorten storage.live"));
  }
  const server = createServer((incoming, answer) => {
    const route = incoming.method === "GET" ? routes[incoming.url ?? ""] : undefined;
    const body = route === undefined ? { error: "not found", paths: Object.keys(routes) } : route();
    answer.writeHead(route === undefined ? 404 : 200, { "content-type": "application/json" });
    answer.end(`${JSON.stringify(body)}\n`);
  });
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(new ControlError("SOCKET_OPEN", `cannot listen on ${path}: ${cause.message}`, "check the directory and its owner", { cause }));
    });
    server.listen(path, () => {
      chmodSync(path, 0o600);
      server.unref();
      resolve({ path, close: () => new Promise((closed) => server.close(() => closed())) });
    });
  });
}

/** Asks the running node. Rejects with `ControlError`. */
export function askControl(path: string, route: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: path, path: route, timeout: ANSWER_MS_MAX }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("end", () => resolve(JSON.parse(Buffer.concat(parts).toString("utf8"))));
    });
    call.on("timeout", () => call.destroy(new Error("no answer within 5 s")));
    call.on("error", (cause: NodeJS.ErrnoException) => {
      const isAway = cause.code === "ENOENT" || cause.code === "ECONNREFUSED";
      const remedy = isAway ? "start it: systemctl start stoep, or stoep run FILE" : "look at its log: journalctl -u stoep";
      reject(
        new ControlError(isAway ? "NOT_RUNNING" : "NO_ANSWER", isAway ? `no node listens on ${path}` : cause.message, remedy, { cause }),
      );
    });
    call.end();
  });
}
