import { describe, expect, it } from "vitest";
import { parseEndpoint } from "../../../../src/adapters/mqtt/open-socket.ts";

describe("a broker URL", () => {
  it.each([
    ["mqtts://mqtt.voorbeeld.example", { host: "mqtt.voorbeeld.example", port: 8_883, tls: true }],
    ["mqtts://mqtt.voorbeeld.example:443", { host: "mqtt.voorbeeld.example", port: 443, tls: true }],
    ["mqtt://127.0.0.1", { host: "127.0.0.1", port: 1_883, tls: false }],
    ["mqtt://[::1]:1884", { host: "::1", port: 1_884, tls: false }],
  ])("%s", (url, endpoint) => expect(parseEndpoint(url)).toEqual(endpoint));

  it.each(["http://localhost", "ws://localhost:9001", "mqtts://"])("refuses %s", (url) => expect(() => parseEndpoint(url)).toThrow());
});
