import { describe, expect, it } from "vitest";
import { serialFault } from "../../../src/adapters/serial-bus.ts";

const PATH = "/dev/serial/by-id/usb-x";

describe("a fault of the serial package", () => {
  // Texts of serialport 13.0.0 (bindings-cpp, serialport_unix.cpp) with those of the C library.
  it.each([
    [`Error: No such file or directory, cannot open ${PATH}`, "gone"],
    [`Error: No such device or address, cannot open ${PATH}`, "gone"],
    [`Error: Input/output error, cannot open ${PATH}`, "gone"],
    ["bad file descriptor", "gone"],
    [`Error: Permission denied, cannot open ${PATH}`, "permission"],
    [`Error: Operation not permitted, cannot open ${PATH}`, "permission"],
    ["Error Resource temporarily unavailable Cannot lock port", "busy"],
    [`Error: Device or resource busy, cannot open ${PATH}`, "busy"],
    ["Error: Inappropriate ioctl for device setting custom baud rate of 9600", "unsupported"],
    ["Error: Inappropriate ioctl for device, cannot set", "unsupported"],
    [`Error: Is a directory, cannot open ${PATH}`, "unsupported"],
    ["Error: Invalid argument || while setting custom baud rate of 12345678", "settings"],
    ["Invalid data bits setting 9", "settings"],
    ["something else", "io"],
  ])("%s is %s", (detail, code) => {
    expect(serialFault(detail, PATH)).toMatchObject({ type: "closed", code, detail, remedy: expect.stringContaining(PATH) });
  });

  it("names the group that may open serial ports", () => {
    expect(serialFault("Error: Permission denied, cannot open x", PATH).remedy).toContain("dialout");
  });
});
