/** Ports of MQTT by IANA, written into the plan so that nothing has to be known again. */
const DEFAULT_PORTS: Readonly<Record<string, number>> = { mqtts: 8883, mqtt: 1883 };
const FORM = "mqtts://HOST or mqtts://HOST:PORT";
// WHATWG URLs leave the host of an unknown scheme nearly unchecked, so it is checked here: a name, an IPv4 or an IPv6 address.
const HOST_PATTERN = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])$/;
const LOOPBACK_PATTERN = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i;

export type BrokerUrl =
  | { readonly is: "ok"; readonly url: string; readonly loopback: boolean; readonly encrypted: boolean }
  | { readonly is: "wrong"; readonly message: string };

/** Reads and normalises the address of a broker. Messages never repeat it: it may hold a password by mistake. */
export function readBrokerUrl(text: string): BrokerUrl {
  const wrong = (message: string): BrokerUrl => ({ is: "wrong", message });
  if (!URL.canParse(text)) return wrong(`is not an address: must be ${FORM}`);
  const url = new URL(text);
  const scheme = url.protocol.slice(0, -1);
  const defaultPort = DEFAULT_PORTS[scheme];
  if (defaultPort === undefined) return wrong(`has the scheme "${scheme}": must be mqtts (or mqtt, to a broker on this machine)`);
  if (url.username !== "" || url.password !== "") return wrong("must not hold a user name or password: use username: and password:");
  if (!HOST_PATTERN.test(url.hostname)) return wrong(`has no host that can be reached: must be ${FORM}`);
  if (!["", "/"].includes(url.pathname) || url.search !== "" || url.hash !== "") return wrong(`must end after the port: ${FORM}`);
  const port = url.port === "" ? defaultPort : Number(url.port);
  if (port === 0) return wrong("has port 0: must be 1 to 65535");
  const loopback = LOOPBACK_PATTERN.test(url.hostname);
  if (scheme === "mqtt" && !loopback) {
    return wrong("is not encrypted: mqtt:// is for a broker on this machine (localhost, 127.0.0.1, [::1]); use mqtts://");
  }
  return { is: "ok", url: `${scheme}://${url.hostname}:${port}`, loopback, encrypted: scheme === "mqtts" };
}
