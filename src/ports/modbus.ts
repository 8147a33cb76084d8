import type { RegisterRange } from "../core/framing/modbus-rtu.ts";

/** What a frame is to the question that is open. */
export type Judgement =
  /** `data`: the registers as on the wire, high byte first, or bits, eight to a byte, the first the lowest. */
  | { readonly is: "reply"; readonly data: Uint8Array }
  | { readonly is: "exception"; readonly code: number }
  | { readonly is: "stray"; readonly reason: "wrong-unit" | "wrong-function" | "length" | "checksum" };

/** Writes questions and reads answers of Modbus RTU. Knows no time, and nothing of any other question. */
export interface ModbusCodec {
  /** The frame that asks a unit for some registers, with its checksum. */
  question(unit: number, registers: RegisterRange): Uint8Array;
  judge(frame: Uint8Array, unit: number, registers: RegisterRange): Judgement;
}
