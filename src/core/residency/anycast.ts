import { block, type IpAddress, type IpBlock, isIn } from "./ip-address.ts";

/**
 * Networks that answer at one address from many countries: where such an address stands cannot be said, whatever a database has for it
 * (it has NL for 141.101.64.1, and CH or US for 9.9.9.9). Cloudflare publishes its blocks as cloudflare.com/ips-v4 and ips-v6; 1.1.1.0/24
 * and 1.0.0.0/24 are its resolvers, on loan from APNIC. Then the public resolvers of Google and Quad9. The list can only be incomplete:
 * other content networks are caught by the country of their operator, where the config asks for that.
 */
const ANYCAST: readonly IpBlock[] = [
  "1.0.0.0/24",
  "1.1.1.0/24",
  "103.21.244.0/22",
  "103.22.200.0/22",
  "103.31.4.0/22",
  "104.16.0.0/13",
  "104.24.0.0/14",
  "108.162.192.0/18",
  "131.0.72.0/22",
  "141.101.64.0/18",
  "162.158.0.0/15",
  "172.64.0.0/13",
  "173.245.48.0/20",
  "188.114.96.0/20",
  "190.93.240.0/20",
  "197.234.240.0/22",
  "198.41.128.0/17",
  "2400:cb00::/32",
  "2405:8100::/32",
  "2405:b500::/32",
  "2606:4700::/32",
  "2803:f800::/32",
  "2a06:98c0::/29",
  "2c0f:f248::/32",
  "8.8.4.0/24",
  "8.8.8.0/24",
  "2001:4860:4860::/48",
  "9.9.9.0/24",
  "149.112.112.0/24",
  "2620:fe::/48",
].map(block);

/** Whether an address is known to be answered from many countries. */
export const isAnycast = (address: IpAddress): boolean => ANYCAST.some((each) => isIn(address, each));
