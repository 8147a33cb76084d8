import { isIP, type Socket, connect as tcpConnect } from "node:net";
import { onDemand } from "../on-demand.ts";

/**
 * How long one of several addresses of a name is tried before the next one. Node's default of 250 ms is shorter than a round trip
 * on a bad mobile link, where it would give up on every address but the last (nodejs/node#54359).
 */
const ADDRESS_ATTEMPT_MS = 2_500;

/** Where the broker is. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** PEM texts, as they are on disk now. */
export interface TlsMaterial {
  /** Replaces the public roots: a private CA is the pin. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** `mqtt://host[:port]` or `mqtts://host[:port]`. Throws on anything else: the config check has already refused it with a position. */
export function parseEndpoint(url: string): Endpoint {
  const { protocol, hostname, port } = new URL(url);
  if ((protocol !== "mqtt:" && protocol !== "mqtts:") || hostname === "") throw new Error("a broker URL is mqtt://HOST or mqtts://HOST");
  const tls = protocol === "mqtts:";
  const host = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  return { host, port: port === "" ? (tls ? 8_883 : 1_883) : Number(port), tls };
}

/**
 * Starts a connection. The server's certificate is always checked, against its name as well; there is no switch for that, and
 * the environment variable that Node offers for it is overruled. May throw on PEM texts that OpenSSL cannot read.
 */
export function openSocket({ host, port, tls }: Endpoint, material: TlsMaterial): Socket {
  const address = { host, port, autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS };
  const serverName = isIP(host) === 0 ? { servername: host } : {};
  const security = { ...material, ...serverName, minVersion: "TLSv1.3", rejectUnauthorized: true } as const;
  const socket = tls ? (onDemand("node:tls") as typeof import("node:tls")).connect({ ...address, ...security }) : tcpConnect(address);
  // Nagle against the delayed ACK of the other side costs a factor of ten in acknowledged messages a second.
  socket.setNoDelay(true);
  return socket;
}

/** `host:port` of the other end; an IPv6 address in brackets. */
export function remoteAddress(socket: Socket): string {
  const { remoteAddress: host = "", remotePort: port = 0 } = socket;
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
