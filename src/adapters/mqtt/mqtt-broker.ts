import type { Broker, BrokerLink, BrokerListener, ConnectRequest } from "../../ports/broker.ts";
import { type Credentials, type LinkSettings, MqttLink } from "./mqtt-link.ts";
import { parseEndpoint } from "./open-socket.ts";

/** Longest packet that the broker may send us. All that we expect is acknowledgements; 64 KiB leaves room for their properties. */
export const INBOUND_BYTES_MAX = 65_536;

/** Reads a secret or a PEM text. Asked at each connect, so that what was rotated on disk is used at the next one. */
export type TextProvider = () => Promise<string>;

/** How the broker is reached, for the life of the process. */
export interface MqttBrokerOptions {
  /** `mqtts://host:port`, or `mqtt://` to loopback. */
  readonly url: string;
  /** 5, or 4 for MQTT 3.1.1. */
  readonly protocol: 4 | 5;
  readonly clientId: string;
  readonly username?: TextProvider;
  readonly password?: TextProvider;
  readonly tls?: { readonly ca?: TextProvider; readonly cert?: TextProvider; readonly key?: TextProvider };
  /** A dead link is noticed after 1.5 x this. Rounded up to whole seconds, as MQTT counts. */
  readonly keepAliveMs: number;
  /** `INBOUND_BYTES_MAX` by default. */
  readonly inboundBytesMax?: number;
}

/**
 * The broker over MQTT.js, which is the wire and nothing more: its queue, its reconnect and its resend are off, because the
 * outbox and the broker session decide those. On MQTT 3.1.1 a broker cannot say how many messages it takes at a time:
 * `receiveMaximum` is then 65535, and only the session's own window holds.
 */
export function createMqttBroker(options: MqttBrokerOptions): Broker {
  const settings: LinkSettings = {
    endpoint: parseEndpoint(options.url),
    protocol: options.protocol,
    clientId: options.clientId,
    keepAliveMs: options.keepAliveMs,
    inboundBytesMax: options.inboundBytesMax ?? INBOUND_BYTES_MAX,
    credentials: () => readCredentials(options),
  };
  return {
    connect(request: ConnectRequest, listener: BrokerListener): BrokerLink {
      return new MqttLink(settings, request, listener);
    },
  };
}

async function readCredentials({ username, password, tls }: MqttBrokerOptions): Promise<Credentials> {
  const [name, secret, ca, cert, key] = await Promise.all([username?.(), password?.(), tls?.ca?.(), tls?.cert?.(), tls?.key?.()]);
  return {
    ...(name === undefined ? {} : { username: name }),
    ...(secret === undefined ? {} : { password: secret }),
    tls: { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) },
  };
}
