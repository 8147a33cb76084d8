import { createRequire } from "node:module";

/**
 * Loads a package where it is first needed, at once: `onDemand("mqtt") as typeof import("mqtt")`. For CommonJS packages that a start
 * need not wait for, or never needs. An `import` of one reads all its files twice, the first time to find out what they export, which
 * doubles the time that MQTT.js and serialport take to load.
 */
export const onDemand: (name: string) => unknown = createRequire(import.meta.url);
