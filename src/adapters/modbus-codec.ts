import { EventEmitter } from "node:events";
import type { ModbusRTU } from "modbus-serial/ModbusRTU.js";
import { assert } from "../core/assert.ts";
import { FUNCTION_OF, type RegisterRange } from "../core/framing/modbus-rtu.ts";
import type { Judgement, ModbusCodec } from "../ports/modbus.ts";
import { onDemand } from "./on-demand.ts";

/** What the package needs of a port (its README, "Class ModbusRTU"). This one leads nowhere: what is written is kept. */
class Desk extends EventEmitter {
  readonly isOpen = true;
  written = new Uint8Array();

  open(callback: (error: null) => void): void {
    callback(null);
  }

  write(frame: Uint8Array): void {
    this.written = Uint8Array.from(frame);
  }
}

type Answered = (error: (Error & { readonly modbusCode?: number }) | null, result?: { readonly buffer: Uint8Array }) => void;

// The package tells what is wrong with a frame by the text of the error (modbus-serial 8.0.25, index.js, `_onReceive`).
const STRAYS = [
  [/CRC error/, "checksum"],
  [/expected address/, "wrong-unit"],
  [/expected code/, "wrong-function"],
] as const;

/**
 * Questions and answers by the package `modbus-serial`, and nothing else of it: its ports, its timeouts and its matching of answers to
 * questions are not used, because it takes a late answer for the next one (ADR 0022). Each frame is judged as the only answer to the
 * only question.
 */
export function createModbusCodec(): ModbusCodec {
  const Client = onDemand("modbus-serial") as typeof ModbusRTU;
  const desk = new Desk();
  const client = new Client(desk);
  client.open();
  const ask = (unit: number, { table, address, count }: RegisterRange, answered: Answered): void => {
    switch (FUNCTION_OF[table]) {
      case 1:
        return client.writeFC1(unit, address, count, answered);
      case 2:
        return client.writeFC2(unit, address, count, answered);
      case 3:
        return client.writeFC3(unit, address, count, answered);
      default:
        return client.writeFC4(unit, address, count, answered);
    }
  };
  return {
    question(unit, registers) {
      ask(unit, registers, () => {});
      return desk.written;
    },
    judge(frame, unit, registers) {
      // The package looks at the unit of a reply, and not at that of an exception.
      if (frame[0] !== unit) return { is: "stray", reason: "wrong-unit" };
      let judgement: Judgement | null = null;
      ask(unit, registers, (error, result) => {
        judgement ??= judged(error, result?.buffer);
      });
      desk.emit("data", Buffer.from(frame));
      assert(judgement !== null, "modbus-serial answers at once");
      return judgement;
    },
  };
}

function judged(error: Parameters<Answered>[0], data: Uint8Array | undefined): Judgement {
  if (error === null && data !== undefined) return { is: "reply", data: Uint8Array.from(data) };
  if (error?.modbusCode !== undefined) return { is: "exception", code: error.modbusCode };
  const reason = STRAYS.find(([text]) => text.test(error?.message ?? ""))?.[1];
  return { is: "stray", reason: reason ?? "length" };
}
