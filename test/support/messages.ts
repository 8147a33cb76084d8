import { type Message, sealMessage } from "../../src/core/anonymise/message.ts";

/** A message that may leave; tests stand in for `formats` here. */
export function message(topic: string, text: string, { retain = false, expirySeconds = null as number | null } = {}): Message {
  return sealMessage({ topic, payload: new TextEncoder().encode(text), retain, expirySeconds });
}

/** The will that tests connect with. */
export const lostStatus: Message = message("city/n0042/status", '{"v":1,"state":"lost"}', { retain: true });
