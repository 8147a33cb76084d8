import { describe, expect, it } from "vitest";
import { REASON_CODES, reasonCodeTable, reasonName, reasonOf, returnAfter, verdictOf } from "../../../../src/core/machine/reason-codes.ts";

describe("verdictOf", () => {
  it.each([
    [0x00, "settled"], // success
    [0x10, "settled"], // no matching subscribers
    [0x80, "retry"], // unspecified error
    [0x83, "retry"], // implementation specific error
    [0x87, "not-authorised"],
    [0x90, "refused"], // topic name invalid
    [0x91, "retry"], // packet identifier in use
    [0x95, "refused"], // packet too large
    [0x97, "retry"], // quota exceeded
    [0x99, "refused"], // payload format invalid
    [0x01, "settled"], // a code below 0x80 is a success, known or not
    [0x7f, "settled"],
    [0xff, "retry"],
  ])("of reason code %i is %s", (reasonCode, verdict) => {
    expect(verdictOf(reasonCode, 0)).toBe(verdict);
  });

  it.each([0x80, 0x83])("gives up on %i after ten failures: it may be about this very message", (reasonCode) => {
    expect(verdictOf(reasonCode, 8)).toBe("retry");
    expect(verdictOf(reasonCode, 9)).toBe("refused");
  });

  it.each([0x87, 0x97])("never gives up on %i", (reasonCode) => {
    expect(verdictOf(reasonCode, 1_000)).not.toBe("refused");
  });
});

it("names reason codes so that an operator can look them up", () => {
  expect([reasonName(0x87), reasonName(0x95), reasonName(0xf1), reasonName(0x05)]).toEqual([
    "not-authorised",
    "packet-too-large",
    "0xf1",
    "0x05",
  ]);
});

describe("the table of reason codes", () => {
  // MQTT 5 §3.4.2.1, §3.2.2.2 and §3.14.2.1 (those that a server may send).
  const PUBACK = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
  const CONNACK = [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d,
  ];
  const DISCONNECT = [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
  ].concat([0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2]);

  it("has every code that a broker may give to a node, once, in order", () => {
    const codes = REASON_CODES.map(({ code }) => code);
    expect(codes).toEqual([...new Set([...PUBACK, ...CONNACK, 0x9f, ...DISCONNECT])].sort((a, b) => a - b));
    expect(new Set(REASON_CODES.map(({ name }) => name)).size).toBe(codes.length);
  });

  it("says of each what becomes of the message and of the connection, where it is legal", () => {
    const legalInPuback = REASON_CODES.filter(({ message }) => message !== null).map(({ code }) => code);
    expect(legalInPuback).toEqual([...PUBACK, 0x95].sort((a, b) => a - b)); // 0x95: mosquitto 2.0 says it all the same
    const endsConnections = REASON_CODES.filter(({ connection }) => connection !== null).map(({ code }) => code);
    expect(endsConnections).toEqual([...new Set([...CONNACK, 0x9f, ...DISCONNECT])].sort((a, b) => a - b));
  });

  it("tells the operator what to do, in a line, and nothing of it is empty", () => {
    for (const cells of reasonCodeTable()) {
      for (const cell of cells) expect(cell).toMatch(/^\S.{0,200}$/);
      expect(cells.join()).not.toMatch(/\|/);
    }
  });

  it.each([
    [0x8e, "taken-over"],
    [0x9c, "rarely"],
    [0x9d, "rarely"],
    [0x97, "later"],
    [0x8b, "soon"],
    [0xf1, "later"],
    [0x91, "later"], // not legal there
  ])("says when to come back after %i: %s", (code, when) => {
    expect(returnAfter(code)).toBe(when);
  });

  it("lets only those end a message for good that speak of one", () => {
    expect(REASON_CODES.filter(({ blames }) => blames).map(({ code }) => code)).toEqual([0x81, 0x82, 0x90, 0x95, 0x99, 0x9a, 0x9b]);
    expect(reasonOf(0xf1)).toBeNull();
  });
});
