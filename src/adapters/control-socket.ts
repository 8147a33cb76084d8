import { createServer, type IncomingMessage, request } from "node:http";
import { type StreamReader, streamReader } from "./control-stream.ts";
import { listenOn, SocketFileError } from "./socket-file.ts";

/** What the node answers on its Unix socket: a path to a function that makes a JSON document, or text. */
export type Routes = Readonly<Record<string, () => object | string>>;

/** What it does when it is asked to by POST, with the JSON that was sent; it rejects with what to tell. */
export type Actions = Readonly<Record<string, (body: unknown) => Promise<object>>>;

/**
 * What it tells for as long as somebody listens: given what was sent and who reads. Resolves with an answer where nothing is told, and with
 * null when it was begun. `reader.onGone` is called when whoever reads has gone, or was sent away.
 */
export type Streams = Readonly<Record<string, (body: unknown, reader: StreamReader) => Promise<object | null>>>;

/** Text is metrics: version 0.0.4 of the text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats). */
const TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Longest body of a POST. */
const BODY_BYTES_MAX = 4_096;

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
export async function serveControl(path: string, routes: Routes, actions: Actions = {}, streams: Streams = {}): Promise<ControlServer> {
  const server = createServer((incoming, answer) => {
    const send = ({ status, body }: Answer): void => {
      const isText = typeof body === "string";
      answer.writeHead(status, { "content-type": isText ? TEXT_TYPE : "application/json" });
      answer.end(isText ? body : `${JSON.stringify(body)}\n`);
    };
    const posted = <T>(those: Readonly<Record<string, T>>): T | undefined =>
      incoming.method === "POST" && Object.hasOwn(those, incoming.url ?? "") ? those[incoming.url ?? ""] : undefined;
    const [action, stream] = [posted(actions), posted(streams)];
    if (action !== undefined) void done(action, incoming).then((one) => one !== null && send(one));
    else if (stream !== undefined)
      void done((body) => stream(body, streamReader(answer)), incoming).then((one) => one !== null && send(one));
    else send(answerTo(routes, incoming.method, incoming.url ?? ""));
  });
  try {
    await listenOn(server, path);
  } catch (error) {
    if (!(error instanceof SocketFileError)) throw error;
    throw new ControlError(error.code, error.message, error.remedy, { cause: error });
  }
  server.unref();
  return { path, close: () => new Promise((closed) => server.close(() => closed())) };
}

/** Serves one text on loopback, for a monitoring program of this machine. Rejects with `ControlError`. */
export function serveMetrics(port: number, text: () => string): Promise<ControlServer> {
  const server = createServer((incoming, answer) => {
    const { status, body } = answerTo({ "/metrics": text }, incoming.method, incoming.url ?? "");
    answer.writeHead(status, { "content-type": TEXT_TYPE });
    answer.end(typeof body === "string" ? body : `${JSON.stringify(body)}\n`);
  });
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const remedy =
        cause.code === "EPERM" || cause.code === "EACCES"
          ? `allow it in the unit: SocketBindAllow=ipv4:tcp:${port} (systemctl edit stoep)`
          : "name another metrics.port, or none";
      reject(new ControlError("SOCKET_OPEN", `cannot listen on 127.0.0.1:${port}: ${cause.message}`, remedy, { cause }));
    });
    server.listen({ port, host: "127.0.0.1" }, () => {
      server.unref();
      resolve({ path: `127.0.0.1:${port}`, close: () => new Promise((closed) => server.close(() => closed())) });
    });
  });
}

interface Answer {
  readonly status: number;
  readonly body: object | string;
}

/** Null: the answer is being told already. */
async function done(action: (body: unknown) => Promise<object | null>, incoming: IncomingMessage): Promise<Answer | null> {
  try {
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of incoming as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > BODY_BYTES_MAX) return { status: 413, body: { error: `more than ${BODY_BYTES_MAX} bytes` } };
      parts.push(part);
    }
    const body = await action(JSON.parse(Buffer.concat(parts).toString("utf8")));
    return body === null ? null : { status: 200, body };
  } catch (error) {
    return failed(error);
  }
}

const failed = (error: unknown): Answer => ({ status: 500, body: { error: error instanceof Error ? error.message : String(error) } });

/** A question must not bring the node down, whatever its answer runs into. */
function answerTo(routes: Routes, method: string | undefined, url: string): Answer {
  const route = method === "GET" && Object.hasOwn(routes, url) ? routes[url] : undefined;
  if (route === undefined) return { status: 404, body: { error: "not found", paths: Object.keys(routes) } };
  try {
    return { status: 200, body: route() };
  } catch (error) {
    return failed(error);
  }
}

/** Something that the node is to do. */
export interface ControlOrder {
  readonly body: object;
  readonly timeoutMs: number;
}

/** Asks the running node, or with `order` tells it to do something. Rejects with `ControlError`. */
export function askControl(path: string, route: string, order?: ControlOrder): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => reject(askFailure(path, cause));
    const timeout = order?.timeoutMs ?? ANSWER_MS_MAX;
    const method = order === undefined ? "GET" : "POST";
    const call = request({ socketPath: path, path: route, method, timeout, agent: false }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("error", fail);
      answer.on("end", () => {
        const text = Buffer.concat(parts).toString("utf8");
        try {
          const document: unknown = JSON.parse(text);
          if (answer.statusCode === 200) resolve(document);
          else fail(new Error(`${route}: ${text.trim()}`));
        } catch (cause) {
          fail(new Error(`${path} does not speak JSON`, { cause }));
        }
      });
    });
    call.on("timeout", () => call.destroy(new Error(`no answer within ${timeout / 1_000} s`)));
    call.on("error", fail);
    call.end(order === undefined ? undefined : JSON.stringify(order.body));
  });
}

/** Why nobody answered. */
export function askFailure(path: string, cause: NodeJS.ErrnoException): ControlError {
  if (cause.code === "ENOENT" || cause.code === "ECONNREFUSED") {
    const remedy = "start it: systemctl start stoep, or stoep run FILE";
    return new ControlError("NOT_RUNNING", `no node listens on ${path}`, remedy, { cause });
  }
  return new ControlError("NO_ANSWER", cause.message, "look at its log: journalctl -u stoep", { cause });
}
