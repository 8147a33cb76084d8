import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import {
  type Actions,
  askControl,
  ControlError,
  type ControlServer,
  type Routes,
  serveControl,
} from "../../../src/adapters/control-socket.ts";

const DIRECTORY = mkdtempSync(join(tmpdir(), "stoep-control-"));
afterAll(() => rmSync(DIRECTORY, { recursive: true }));

const PATH = join(DIRECTORY, "control.sock");
const servers: { close(): unknown }[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serving(routes: Routes, path = PATH, actions: Actions = {}): Promise<ControlServer> {
  const server = await serveControl(path, routes, actions);
  servers.push(server);
  return server;
}

/** Something else on the socket. */
function impostor(answer: RequestListener): Promise<void> {
  const server = createServer(answer);
  return new Promise((resolve) => {
    server.listen(PATH, resolve);
    servers.push({ close: () => new Promise((closed) => server.close(closed)) });
  });
}

/** What is answered to any method and target, as it stands on the wire. */
function raw(method: string, target: string): Promise<{ status: number; text: string; type: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: PATH, method, path: target, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text, type: answer.headers["content-type"] ?? "" }));
    });
    call.on("error", reject).end();
  });
}

const code = (promise: Promise<unknown>) =>
  promise.then(() => "answered").catch((error: unknown) => (error instanceof ControlError ? error.code : String(error)));

describe("the control socket", () => {
  it("does by POST what it is told to, with what was sent, and says why when it cannot", async () => {
    const orders: unknown[] = [];
    const act = async (body: unknown) => {
      orders.push(body);
      if (orders.length > 1) throw new Error("once is enough");
      return { done: true };
    };
    await serving({ "/status": () => ({}) }, PATH, { "/act": act });
    const order = { body: { forMs: 5 }, timeoutMs: 1_000 };
    expect(await askControl(PATH, "/act", order)).toEqual({ done: true });
    expect(orders).toEqual([{ forMs: 5 }]);
    await expect(askControl(PATH, "/act", order)).rejects.toThrow("once is enough");
    expect(await code(askControl(PATH, "/act"))).toBe("NO_ANSWER"); // a GET does nothing
    expect(await code(askControl(PATH, "/status", order))).toBe("NO_ANSWER");
    expect(await code(askControl(PATH, "/act", { ...order, body: { long: "x".repeat(5_000) } }))).toBe("NO_ANSWER");
    expect(orders).toHaveLength(2);
  });

  it("answers with what the node says at that moment", async () => {
    let asked = 0;
    await serving({
      "/status": () => {
        asked++;
        return { asked, name: "Vondelstraat ë" };
      },
    });
    expect(await askControl(PATH, "/status")).toEqual({ asked: 1, name: "Vondelstraat ë" });
    expect(await askControl(PATH, "/status")).toEqual({ asked: 2, name: "Vondelstraat ë" });
    expect(await raw("GET", "/status")).toMatchObject({
      status: 200,
      type: "application/json",
      text: expect.stringMatching(/\}\n$/) as string,
    });
  });

  it("may be opened by the user of the node only", async () => {
    await serving({});
    expect(statSync(PATH).mode & 0o777).toBe(0o600);
  });

  it("knows its own paths and GET, and nothing that every object has", async () => {
    await serving({ "/status": () => ({}) });
    for (const target of ["/", "/statu", "/status/", "/constructor", "/__proto__", "/status?x=1"]) {
      expect(await raw("GET", target)).toMatchObject({ status: 404, text: '{"error":"not found","paths":["/status"]}\n' });
    }
    for (const method of ["POST", "PUT", "DELETE"]) expect(await raw(method, "/status")).toMatchObject({ status: 404 });
  });

  it("survives a question that cannot be answered", async () => {
    await serving({
      "/status": () => {
        throw new Error("the live store failed");
      },
      "/version": () => ({ version: "0.1.0" }),
    });
    expect(await raw("GET", "/status")).toMatchObject({ status: 500, text: '{"error":"the live store failed"}\n' });
    expect(await askControl(PATH, "/version")).toEqual({ version: "0.1.0" });
  });

  it("takes the place of what an earlier run left, and is gone after it was closed", async () => {
    writeFileSync(PATH, "left over");
    const server = await serving({ "/status": () => ({ ok: true }) });
    expect(await askControl(PATH, "/status")).toEqual({ ok: true });
    await server.close();
    expect(readdirSync(DIRECTORY)).toEqual([]);
    servers.length = 0;
  });

  it("says when its path is too long, or cannot be made", async () => {
    expect(await code(serveControl(join(DIRECTORY, "x".repeat(120)), {}))).toBe("SOCKET_PATH");
    expect(await code(serveControl(join(DIRECTORY, "nowhere", "control.sock"), {}))).toBe("SOCKET_OPEN");
  });
});

describe("asking", () => {
  it("a node that does not run says so", async () => {
    const error: unknown = await askControl(join(DIRECTORY, "nobody.sock"), "/status").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "NOT_RUNNING", remedy: expect.stringContaining("systemctl start stoep") as string });
  });

  it("for something that the node does not know is an error, not an answer", async () => {
    await serving({ "/status": () => ({}) });
    expect(await code(askControl(PATH, "/nothing"))).toBe("NO_ANSWER");
  });

  it("somebody who answers in another language is an error, not a crash", async () => {
    await impostor((_incoming, answer) => answer.end("<html>"));
    expect(await code(askControl(PATH, "/status"))).toBe("NO_ANSWER");
  });

  it("somebody who hangs up in the middle is an error, not a wait", async () => {
    await impostor((_incoming, answer) => {
      answer.writeHead(200, { "content-length": 100 });
      answer.write("{");
      setImmediate(() => answer.destroy(new Error("gone")));
    });
    expect(await code(askControl(PATH, "/status"))).toBe("NO_ANSWER");
  });
});
