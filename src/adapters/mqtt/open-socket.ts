import { isIP, type LookupFunction, type Socket, type TcpNetConnectOpts, connect as tcpConnect } from "node:net";
import { parseAddress } from "../../core/residency/ip-address.ts";
import { onDemand } from "../on-demand.ts";
import { isPinned, PinError } from "./peer-certificate.ts";

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

/** What a connection is bound to, besides the name of the host. */
export interface SocketBounds {
  /** Only these addresses are tried, in this order: nobody is asked for others. null: whatever the name has. */
  readonly addresses: readonly string[] | null;
  /** SHA-256 of public keys; one of them must be in the chain. Empty: none is pinned. */
  readonly pins: readonly string[];
}

/**
 * Starts a connection. The server's certificate is always checked, against its name as well, and against the pins where there are any;
 * there is no switch for that, and the environment variable that Node offers for it is overruled. A session is never resumed: Node
 * would not look at the certificate again. May throw on PEM texts that OpenSSL cannot read.
 */
export function openSocket({ host, port, tls }: Endpoint, material: TlsMaterial, { addresses, pins }: SocketBounds): Socket {
  const address = {
    host,
    port,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
    ...(addresses === null ? {} : { lookup: lookupOf(addresses) }),
  };
  const socket = tls ? connectTls(address, host, material, pins) : tcpConnect(address);
  // Nagle against the delayed ACK of the other side costs a factor of ten in acknowledged messages a second.
  socket.setNoDelay(true);
  return socket;
}

function connectTls(address: TcpNetConnectOpts, host: string, material: TlsMaterial, pins: readonly string[]): Socket {
  const { connect, checkServerIdentity } = onDemand("node:tls") as typeof import("node:tls");
  const serverName = isIP(host) === 0 ? { servername: host } : {};
  return connect({
    ...address,
    ...material,
    ...serverName,
    minVersion: "TLSv1.3",
    rejectUnauthorized: true,
    checkServerIdentity(name, certificate) {
      const problem = checkServerIdentity(name, certificate);
      if (problem !== undefined || pins.length === 0) return problem;
      return isPinned(certificate, pins) ? undefined : new PinError("no key in the chain of the broker is pinned");
    },
  });
}

/** Answers with addresses that were settled before: between the check and the connect no name is resolved. */
function lookupOf(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, { all }, callback) => {
    const [first] = found;
    if (first === undefined) callback(Object.assign(new Error("no address was approved"), { code: "ENOTFOUND" }), []);
    else if (all === true) callback(null, found);
    else callback(null, first.address, first.family);
  };
}

/** Whether the other end has one of these addresses, however it is written. */
export function isConnectedTo({ remoteAddress: text = "" }: Socket, addresses: readonly string[]): boolean {
  const same = (one: string): string => JSON.stringify(parseAddress(one)?.bytes ?? one);
  return addresses.some((address) => same(address) === same(text));
}

/** `host:port` of the other end; an IPv6 address in brackets. */
export function remoteAddress(socket: Socket): string {
  const { remoteAddress: host = "", remotePort: port = 0 } = socket;
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * What Node calls an error of the system, TLS or OpenSSL; null when it is none of those. A write that meets an alert of TLS fails with
 * EPROTO, and what OpenSSL says stands in the text only: the code is then made of it, as Node does where a read meets one.
 */
export function errorCode(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return null;
  const reason = error.code === "EPROTO" ? /:SSL routines:[^:]*:([^:]+):/.exec(error.message)?.[1] : undefined;
  return reason === undefined ? error.code : `ERR_SSL_${reason.toUpperCase().replaceAll(/\W+/g, "_")}`;
}
