import { describe, expect, it } from "vitest";
import { readBrokerUrl } from "../../../src/config/broker-url.ts";

describe("the address of a broker", () => {
  it.each([
    ["mqtts://mqtt.voorbeeld.example", "mqtts://mqtt.voorbeeld.example:8883", false],
    ["mqtts://mqtt.voorbeeld.example:443/", "mqtts://mqtt.voorbeeld.example:443", false],
    ["mqtts://192.0.2.7", "mqtts://192.0.2.7:8883", false],
    ["mqtts://[2001:db8::7]:8884", "mqtts://[2001:db8::7]:8884", false],
    ["mqtts://localhost", "mqtts://localhost:8883", true],
    ["mqtt://localhost", "mqtt://localhost:1883", true],
    ["mqtt://127.0.0.1:1884", "mqtt://127.0.0.1:1884", true],
    ["mqtt://127.255.0.9", "mqtt://127.255.0.9:1883", true],
    ["mqtt://[::1]", "mqtt://[::1]:1883", true],
  ])("%s is %s", (text, url, loopback) => {
    expect(readBrokerUrl(text)).toEqual({ is: "ok", url, loopback, encrypted: url.startsWith("mqtts") });
  });

  it.each([
    "mqtt://mqtt.voorbeeld.example",
    "mqtt://127.voorbeeld.example",
    "mqtt://127.0.0.1.voorbeeld.example",
    "mqtt://localhost.voorbeeld.example",
    "mqtt://0.0.0.0",
    "mqtt://[::]",
    "mqtt://[::ffff:192.0.2.7]",
    "mqtt://2130706433",
  ])("%s would go over the wire in the clear, and is refused", (text) => {
    expect(readBrokerUrl(text)).toMatchObject({ is: "wrong", message: expect.stringContaining("is not encrypted") });
  });

  it.each([
    "",
    "mqtt.voorbeeld.example",
    "mqtts://",
    "mqtts://:8883",
    "mqtts://a b",
    "mqtts://a%2eb",
    "mqtts://-a",
    "mqtts://host:0",
    "mqtts://host:99999",
    "mqtts://host/path",
    "mqtts://host?x=1",
    "mqtts://host#x",
    "https://host",
    "ws://localhost",
    "mqtts://hunter2@host",
    "mqtts://n0042:hunter2@host",
  ])("%s is refused, and not repeated", (text) => {
    const url = readBrokerUrl(text);
    expect(url.is).toBe("wrong");
    expect(JSON.stringify(url)).not.toContain("hunter2");
  });
});
