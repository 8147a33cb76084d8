// The public entry point for driver authors: types only (`import type`), so that a driver file works in any folder.
export type { Checksum } from "../core/framing/checksums.ts";
export type { DelimiterOptions } from "../core/framing/delimiter-framer.ts";
export type { Framer, FrameSink, FramingFault } from "../core/framing/framer.ts";
export type { HeaderOptions } from "../core/framing/header-framer.ts";
export type { RegisterRange, RegisterTable } from "../core/framing/modbus-rtu.ts";
export type { RegisterType, WordOrder } from "../core/framing/registers.ts";
export type { StuffedOptions } from "../core/framing/stuffed-framer.ts";
export type { TelegramOptions } from "../core/framing/telegram-framer.ts";
export type { Cell, CellAxes, Direction, RoadUser } from "../core/reading/direction.ts";
export type { Quantity, Sensitivity } from "../core/reading/quantity.ts";
export type { OpenedPort, SerialSettings } from "../core/units/port.ts";
export type { MonotonicMs } from "../core/units/time.ts";
export type {
  BusEvent,
  ChannelSpec,
  DiscardReason,
  Driver,
  DriverApi,
  DriverModule,
  Passage,
  PortKind,
  Quality,
  ReadingDetail,
  RequestBody,
  Session,
  SessionSink,
} from "./driver.ts";
