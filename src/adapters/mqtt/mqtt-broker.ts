import type { Broker, BrokerLink, BrokerListener, ConnectRequest } from "../../ports/broker.ts";
import type { TlsIdentity } from "../../ports/tls-identity.ts";
import { type Credentials, type LinkSettings, MqttLink } from "./mqtt-link.ts";
import { parseEndpoint } from "./open-socket.ts";
import { type TextProvider, TlsFiles, type TlsProviders } from "./tls-files.ts";

/** Longest packet that the broker may send us. All that we expect is acknowledgements; 64 KiB leaves room for their properties. */
export const INBOUND_BYTES_MAX = 65_536;

/** How the broker is reached, for the life of the process. */
export interface MqttBrokerOptions {
  /** `mqtts://host:port`, or `mqtt://` to loopback. */
  readonly url: string;
  /** 5, or 4 for MQTT 3.1.1. */
  readonly protocol: 4 | 5;
  readonly clientId: string;
  readonly username?: TextProvider;
  readonly password?: TextProvider;
  readonly tls?: TlsProviders;
  /** SHA-256 of public keys, base64; one of them must be in the broker's chain. Empty: none is pinned. */
  readonly pins?: readonly string[];
  /** Of a probe: only these addresses are tried. A node has them checked for each connection (`ConnectRequest`). */
  readonly addresses?: readonly string[];
  /** A dead link is noticed after 1.5 x this. Rounded up to whole seconds, as MQTT counts. */
  readonly keepAliveMs: number;
  /** `INBOUND_BYTES_MAX` by default. */
  readonly inboundBytesMax?: number;
}

/** The broker, and the certificates that it is reached with. */
export interface MqttBroker extends Broker {
  readonly identity: TlsIdentity;
}

/**
 * The broker over MQTT.js, which is the wire and nothing more: its queue, its reconnect and its resend are off, because the
 * outbox and the broker session decide those. On MQTT 3.1.1 a broker cannot say how many messages it takes at a time:
 * `receiveMaximum` is then 65535, and only the session's own window holds.
 */
export function createMqttBroker(options: MqttBrokerOptions): MqttBroker {
  const files = new TlsFiles(options.tls ?? {});
  const settings: LinkSettings = {
    endpoint: parseEndpoint(options.url),
    protocol: options.protocol,
    clientId: options.clientId,
    keepAliveMs: options.keepAliveMs,
    inboundBytesMax: options.inboundBytesMax ?? INBOUND_BYTES_MAX,
    pins: options.pins ?? [],
    credentials: () => readCredentials(options, files),
  };
  return {
    identity: files,
    connect(request: ConnectRequest, listener: BrokerListener): BrokerLink {
      return new MqttLink(settings, request, listener);
    },
  };
}

async function readCredentials({ username, password }: MqttBrokerOptions, files: TlsFiles): Promise<Credentials> {
  const [name, secret, tls] = await Promise.all([username?.(), password?.(), files.material()]);
  return { ...(name === undefined ? {} : { username: name }), ...(secret === undefined ? {} : { password: secret }), tls };
}
