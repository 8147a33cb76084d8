import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request } from "node:http";

/** What the node answers on its Unix socket: a path to a function that makes a JSON document, or that does what a document asks for. */
export type Routes = Readonly<Record<string, (() => object) | Action>>;

/** Something to be done: answers POST. */
export interface Action {
  post(asked: unknown): Promise<object>;
}

/** Longest path of a Unix socket on Linux (unix(7): sun_path has 108 bytes with its end). */
const SOCKET_PATH_BYTES_MAX = 107;
const ANSWER_MS_MAX = 5_000;
/** Longest document that is taken. */
const ASKED_BYTES_MAX = 4_096;

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
    void answerTo(routes, incoming).then(({ status, body }) => {
      answer.writeHead(status, { "content-type": "application/json" });
      answer.end(`${JSON.stringify(body)}\n`);
    });
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

/** A question must not bring the node down, whatever its answer runs into. */
async function answerTo(routes: Routes, incoming: IncomingMessage): Promise<{ readonly status: number; readonly body: object }> {
  const { method, url = "" } = incoming;
  const route = Object.hasOwn(routes, url) ? routes[url] : undefined;
  try {
    if (method === "GET" && typeof route === "function") return { status: 200, body: route() };
    if (method === "POST" && typeof route === "object") return { status: 200, body: await route.post(await documentOf(incoming)) };
    return { status: 404, body: { error: "not found", paths: Object.keys(routes) } };
  } catch (error) {
    return { status: 500, body: { error: error instanceof Error ? error.message : String(error) } };
  }
}

async function documentOf(incoming: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of incoming as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > ASKED_BYTES_MAX) throw new Error(`more than ${ASKED_BYTES_MAX} bytes are not taken`);
    parts.push(part);
  }
  return bytes === 0 ? null : JSON.parse(Buffer.concat(parts).toString("utf8"));
}

/** Something that is to be done, and how long it may take. */
export interface Asked {
  readonly post: object;
  readonly answerMsMax: number;
}

/** Asks the running node, or has it do something. Rejects with `ControlError`. */
export function askControl(path: string, route: string, asked?: Asked): Promise<unknown> {
  const timeout = asked?.answerMsMax ?? ANSWER_MS_MAX;
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => reject(askFailure(path, cause));
    const method = asked === undefined ? "GET" : "POST";
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
    call.end(asked === undefined ? undefined : JSON.stringify(asked.post));
  });
}

function askFailure(path: string, cause: NodeJS.ErrnoException): ControlError {
  if (cause.code === "ENOENT" || cause.code === "ECONNREFUSED") {
    const remedy = "start it: systemctl start stoep, or stoep run FILE";
    return new ControlError("NOT_RUNNING", `no node listens on ${path}`, remedy, { cause });
  }
  return new ControlError("NO_ANSWER", cause.message, "look at its log: journalctl -u stoep", { cause });
}
